// Works a room's draw out again, in the browser of whoever does not want to believe it.
//
// The browser's own hash answers by appointment, which is slow for so many short texts: it is only
// asked whether ours is right. docs/FAIRNESS.md tells what is hashed.

const ALGORITHM = "morgenruh-draw-v1";
const TICKETS_MAX = 2 ** 24;
// Until the page may react again.
const GO_MS = 25;
const STOP = Symbol();

/**
 * Checks a draw step by step, up to the first that does not hold: `form`; `receipt`, the ticket is
 * under the root; `commitment`; `nonce`, the ticket is of the secret; `root`, of all tickets made
 * again; `seed`; `place`, which is an answer. Those of the ticket need a receipt.
 *
 * `progress(step, done)` hears how much is done, from 0 to 1; where it returns false, the check ends.
 * Returns a list of `{step, holds, place?}`.
 */
export async function verifyDraw(proof, receipt = null, progress = () => true) {
  const steps = [];
  const tell = (step, done) => must(progress(step, done) !== false);
  const check = async (step, work) => {
    tell(step, 0);
    const found = await work((done) => tell(step, done));
    steps.push({ step, holds: !!found, ...(step === "place" && { place: found }) });
    tell(step, 1);
    must(found);
  };
  let p, r;
  try {
    await check("form", () => {
      try {
        p = readProof(proof);
        r = receipt && readReceipt(receipt);
      } catch {
        return false;
      }
      return hashIsRight();
    });
    if (r) await check("receipt", () => isIncluded(r, p));
    await check("commitment", () => same(sha256([p.secret, p.rules]), p.commitment));
    const nonce = nonces(p);
    if (r) await check("nonce", () => same(nonce(r.seq), r.nonce));
    await check("root", async (told) => same(await root(p.tickets, nonce, told), p.root));
    const info = [p.root, number(p.tickets), p.room];
    await check("seed", () => same(hkdf(p.secret, p.beacon, info), p.seed));
    if (r) await check("place", (told) => place(p.seed, p.tickets, r.seq, told));
  } catch (stop) {
    if (stop !== STOP) throw stop;
  }
  return steps;
}

function readProof(it) {
  must(it.algorithm === ALGORITHM);
  const beacon = it.beacon ? bytes(it.beacon.value) : [];
  const read = readFields(it, ["commitment", "root", "secret", "seed"]);
  return { ...read, rules: utf8(it.rules), beacon };
}

function readReceipt(it) {
  must(isCount(it.seq, it.tickets - 1));
  const proof = it.proof.map((hash) => bytes(hash, 32));
  return { ...readFields(it, ["leaf", "root"]), seq: it.seq, nonce: bytes(it.nonce, 16), proof };
}

function readFields(it, hashes) {
  must(isCount(it.tickets, TICKETS_MAX));
  const read = { tickets: it.tickets, room: utf8(it.room) };
  for (const name of hashes) read[name] = bytes(it[name], 32);
  return read;
}

function must(holds) {
  if (!holds) throw STOP;
}

const isCount = (it, max) => Number.isInteger(it) && it >= 0 && it <= max;

function isIncluded({ room, seq, nonce, leaf, tickets, root, proof }, draw) {
  if (!same(room, draw.room) || !same(root, draw.root) || tickets !== draw.tickets) return false;
  let [at, last, node] = [seq, tickets - 1, leafHash(leaf)];
  for (const sibling of proof) {
    if (!last) return false;
    // Nothing is beside the last of an odd number.
    for (; at % 2 === 0 && at === last; last >>= 1) at >>= 1;
    node = at % 2 ? nodeHash(sibling, node) : nodeHash(node, sibling);
    at >>= 1;
    last >>= 1;
  }
  return !last && same(node, root) && same(leafOf(seq, nonce), leaf);
}

function nonces({ secret, room }) {
  const mac = hmac(hkdf(secret, [], [utf8("morgenruh nonces v1"), room]));
  return (seq) => mac(number(seq)).subarray(0, 16);
}

async function root(tickets, nonce, told) {
  const frontier = [];
  await inGoes(tickets, told, (seq) => {
    let node = leafHash(leafOf(seq, nonce(seq)));
    for (let bits = seq; bits % 2; bits >>= 1) node = nodeHash(frontier.pop(), node);
    frontier.push(node);
  });
  return frontier.length ? frontier.reduceRight((right, left) => nodeHash(left, right)) : sha256([]);
}

async function place(seed, tickets, seq, told) {
  const lot = (seq) => sha256([seed, number(seq)]);
  const mine = lot(seq);
  let place = 1;
  await inGoes(tickets, told, (other) => {
    if ((compare(lot(other), mine) || other - seq) < 0) place++;
  });
  return place;
}

async function inGoes(count, told, work) {
  let began = performance.now();
  for (let at = 0; at < count; at++) {
    work(at);
    if (at % 64 === 0 && performance.now() - began > GO_MS) {
      told(at / count);
      await new Promise((resolve) => setTimeout(resolve));
      began = performance.now();
    }
  }
}

const leafOf = (seq, nonce) => sha256([number(seq), nonce]);
const leafHash = (leaf) => sha256([[0], leaf]);
const nodeHash = (left, right) => sha256([[1], left, right]);
const hkdf = (secret, salt, info) => hmac(hmac(salt)(secret))(...info, [1]);

function hmac(key) {
  const short = key.length > 64 ? sha256([key]) : key;
  const [inner, outer] = [0x36, 0x5c].map((mask) => {
    const state = START.slice();
    const block = Uint8Array.from({ length: 64 }, (_, at) => short[at] ^ mask);
    compress(state, new DataView(block.buffer), 0);
    return state;
  });
  return (...text) => sha256([sha256(text, inner, 64)], outer, 64);
}

async function hashIsRight() {
  const text = utf8(ALGORITHM.repeat(9));
  const theirs = await globalThis.crypto?.subtle?.digest("SHA-256", text);
  return !theirs || same(new Uint8Array(theirs), sha256([text]));
}

// The first bits of roots of the first primes, as FIPS 180-4 has them.
const PRIMES = [];
for (let n = 2; PRIMES.length < 64; n++) if (PRIMES.every((p) => n % p)) PRIMES.push(n);
const bits = (root) => ((root % 1) * 2 ** 32) | 0;
const START = PRIMES.slice(0, 8).map((p) => bits(Math.sqrt(p)));
const ROUNDS = PRIMES.map((p) => bits(Math.cbrt(p)));
const W = new Int32Array(64);

// `start` is the state after `before` bytes, which are whole blocks.
function sha256(parts, start = START, before = 0) {
  let length = 0;
  for (const part of parts) length += part.length;
  const text = new Uint8Array((length + 72) & ~63);
  let at = 0;
  for (const part of parts) {
    text.set(part, at);
    at += part.length;
  }
  text[at] = 0x80;
  const view = new DataView(text.buffer);
  view.setUint32(text.length - 4, (before + length) * 8);
  const state = start.slice();
  for (at = 0; at < text.length; at += 64) compress(state, view, at);
  for (at = 0; at < 8; at++) view.setInt32(at * 4, state[at]);
  return text.slice(0, 32);
}

function compress(state, view, at) {
  for (let i = 0; i < 16; i++) W[i] = view.getInt32(at + i * 4);
  for (let i = 16; i < 64; i++) {
    const [x, y] = [W[i - 15], W[i - 2]];
    const s = W[i - 16] + (turned(x, 7) ^ turned(x, 18) ^ (x >>> 3));
    W[i] = s + W[i - 7] + (turned(y, 17) ^ turned(y, 19) ^ (y >>> 10));
  }
  let [a, b, c, d, e, f, g, h] = state;
  for (let i = 0; i < 64; i++) {
    const t = turned(e, 6) ^ turned(e, 11) ^ turned(e, 25);
    const x = (h + t + ((e & f) ^ (~e & g)) + ROUNDS[i] + W[i]) | 0;
    const y = (turned(a, 2) ^ turned(a, 13) ^ turned(a, 22)) + ((a & b) ^ (a & c) ^ (b & c));
    [h, g, f, e] = [g, f, e, (d + x) | 0];
    [d, c, b, a] = [c, b, a, (x + y) | 0];
  }
  [a, b, c, d, e, f, g, h].forEach((word, i) => (state[i] = (state[i] + word) | 0));
}

const turned = (word, by) => (word >>> by) | (word << (32 - by));

function utf8(text) {
  must(text && typeof text === "string");
  return new TextEncoder().encode(text);
}

function bytes(hex, length) {
  must(typeof hex === "string" && /^([0-9a-f]{2})+$/.test(hex));
  const read = Uint8Array.from(hex.match(/../g), (digits) => parseInt(digits, 16));
  must(read.length === (length ?? read.length));
  return read;
}

// Numbers are hashed as 8 bytes, the most significant first.
const number = (n) => Uint8Array.of(0, 0, 0, 0, n >>> 24, n >>> 16, n >>> 8, n);

function compare(one, other) {
  let at = 0;
  while (at < one.length && one[at] === other[at]) at++;
  return at < one.length ? one[at] - other[at] : 0;
}

const same = (one, other) => one.length === other.length && compare(one, other) === 0;
