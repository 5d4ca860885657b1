/**
 * What a node may do on NATS, and nothing beside it: talk to other nodes, keep the records of its bucket, hear answers. The
 * embedded server and the chart (`k8s/nats/`) give their user `node` exactly this.
 *
 * There is no bare `>` among what it may publish: no stream of somebody else, no `$SYS`, no deletion and no purge of a stream,
 * so a node that was taken over can disturb its own cluster and no other tenant of the server. It may make its bucket,
 * because the first node does.
 */

export interface NatsPermissions {
  readonly publish: { readonly allow: readonly string[] };
  readonly subscribe: { readonly allow: readonly string[] };
}

/** Names of the users: a node, and whoever keeps the server (backups, tests that break things). */
export const NODE_USER = 'node';
export const KEEPER_USER = 'heyblue';

/**
 * @param cluster HEYBLUE_CLUSTER, which names the bucket too; `*` for a server on which there is nobody else
 */
export const nodePermissions = (cluster = '*'): NatsPermissions => {
  const stream = cluster === '*' ? '*' : `KV_${cluster}`;
  /** Between nodes: by incarnation, by gateway; changes of rules, revocations, questions of operators and their answers. */
  const talk = [
    'hb.n.*.*',
    'hb.g.*',
    `hb.rules.${cluster}`,
    `hb.r.${cluster}`,
    `hb.o.${cluster}`,
    `hb.o.${cluster}.*`,
    `hb.o.${cluster}.*.lag`,
  ];
  const records = [
    `$KV.${cluster}.>`,
    '$JS.API.INFO',
    `$JS.API.STREAM.INFO.${stream}`,
    `$JS.API.STREAM.CREATE.${stream}`,
    `$JS.API.STREAM.MSG.GET.${stream}`,
    `$JS.API.CONSUMER.CREATE.${stream}`,
    `$JS.API.CONSUMER.CREATE.${stream}.>`,
    `$JS.API.CONSUMER.DELETE.${stream}.*`,
  ];
  return {
    publish: { allow: [...talk, ...records] },
    subscribe: { allow: [...talk, '_INBOX.>'] },
  };
};
