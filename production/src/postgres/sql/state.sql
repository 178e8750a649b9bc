SELECT (SELECT value FROM meta WHERE key = 'lineage') AS lineage, position, at,
       (SELECT count(*) FROM quarantine) AS quarantined
  FROM watermark
 WHERE partition = 0
