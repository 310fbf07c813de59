-- What was deleted has no owner any more.
DELETE FROM ?schema.jet_owner /* across tenants: the owners of all */
WHERE (resource = 'datasource' AND object_id NOT IN (SELECT d.id FROM ?schema.jet_datasource AS d /* across tenants: the same */))
   OR (resource = 'query' AND object_id NOT IN (SELECT q.id FROM ?schema.jet_query AS q /* across tenants: the same */))
   OR (resource = 'workflow' AND object_id NOT IN (SELECT w.id FROM ?schema.jet_workflow AS w /* across tenants: the same */ WHERE w.deleted_at IS NULL))
   OR (resource = 'file' AND object_id NOT IN (SELECT f.id FROM ?schema.jet_file AS f /* across tenants: the same */ WHERE f.ready))
   OR (resource = 'schedule' AND object_id NOT IN (SELECT s.id FROM ?schema.jet_schedule AS s /* across tenants: the same */))
   OR (resource = 'webhook' AND object_id NOT IN (SELECT h.id FROM ?schema.jet_webhook AS h /* across tenants: the same */));
