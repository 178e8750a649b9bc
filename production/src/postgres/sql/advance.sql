UPDATE watermark SET position = $1, at = $2 WHERE partition = 0 AND position = $3
