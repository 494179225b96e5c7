-- What a volume costs must not grow with the nodes: those that are online in their order, and the few that have failed.
CREATE INDEX nodes_by_state ON nodes (cluster, state, id);
CREATE INDEX nodes_failed ON nodes (id) WHERE state = 'failed';
