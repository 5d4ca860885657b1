/**
 * Every metric of the town, in one table: name, kind, help, labels and the values these may take.
 *
 * Prometheus keeps one time series per combination of label values for ever, so a label never carries an id or a text
 * from outside: values that are not listed, or too many of them, become `other`.
 */

/** The values a label may take, or how many different ones at most. */
export type LabelBound = readonly string[] | number;

export interface MetricRow {
  kind: 'counter' | 'gauge' | 'histogram';
  help: string;
  labels?: Readonly<Record<string, LabelBound>>;
  /** Upper bounds of a histogram, in the unit that the name ends with. */
  buckets?: readonly number[];
}

const TURN_S = [0.00001, 0.00002, 0.00005, 0.0001, 0.0002, 0.0005, 0.001, 0.005, 0.02, 0.1];
const FANOUT_S = [0.00001, 0.00005, 0.0001, 0.0005, 0.001, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 1, 3];
const WAIT_S = [0.001, 0.002, 0.005, 0.01, 0.02, 0.03, 0.05, 0.1, 0.25, 0.5, 1, 3];
/** What is late by design, and by minutes after an outage. */
const LATE_S = [0.05, 0.1, 0.2, 0.5, 1, 2, 5, 15, 60, 300, 1_800];
const FRAMES = [16, 32, 64, 128, 256, 512, 1_024, 2_048, 4_096, 16_384, 65_536];
const BUFFERED = [1_024, 4_096, 16_384, 32_768, 65_536, 131_072, 262_144];
const RING = [0, 128, 256, 512, 1_024, 2_048, 4_096, 8_192, 16_384];
const SIZES = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000];

/** How many different codes, operations or reasons we ever expect; all of them closed sets in `protocol/`. */
const CLOSED_SET = 64;
/** Of both directions; `skipped` and `late` are volatile frames that were not said. */
const FRAME_TYPES = [
  'hello',
  'command',
  'ack',
  'location',
  'ping',
  'pong',
  'clientState',
  'batch',
  'welcome',
  'replayed',
  'reply',
  'error',
  'event',
  'volatile',
  'skipped',
  'late',
  'goaway',
  'tokenExpiring',
];
const RULE_KINDS = [
  'encounter.points',
  'redemption.price',
  'donation',
  'giveaway',
  'proximity.notify',
  'earning.limit',
  'promotion',
];
const STREAMS = ['user-events', 'transactions'];
const CONSUMERS = ['users', 'archive'];
const TARGETS = ['user-events', 'transactions', 'balances', 'catalogs'];
const ACTOR_KINDS = [
  'user',
  'region',
  'area',
  'pair',
  'offer',
  'budget',
  'merchant',
  'order',
  'journey',
  'notification',
];

export const METRICS = {
  heyblue_actors: { kind: 'gauge', help: 'Actors in memory.', labels: { kind: ACTOR_KINDS } },
  heyblue_actors_arrived_total: {
    kind: 'counter',
    help: 'Actors that another node handed over with all that they had in memory.',
  },
  heyblue_actor_turn_seconds: {
    kind: 'histogram',
    help: 'How long one turn takes (one in 64 is measured).',
    labels: { kind: ACTOR_KINDS },
    buckets: TURN_S,
  },
  heyblue_mailbox_full_total: {
    kind: 'counter',
    help: 'Messages refused because a mailbox was full.',
    labels: { kind: ACTOR_KINDS },
  },
  heyblue_mail_replaced_total: {
    kind: 'counter',
    help: 'Positions that the next one of the same person replaced in the mailbox of its actor.',
  },
  heyblue_gate_wait_seconds: {
    kind: 'histogram',
    help: 'How long outputs wait at the gate for their commit.',
    buckets: WAIT_S,
  },
  heyblue_commit_group_size: {
    kind: 'histogram',
    help: 'Operations committed in one round trip.',
    buckets: SIZES,
  },
  heyblue_commit_seconds: { kind: 'histogram', help: 'Round trip of one commit.', buckets: WAIT_S },
  heyblue_postgres_wait_seconds: {
    kind: 'histogram',
    help: 'How long a statement waits for a free connection to PostgreSQL, by whose connections they are.',
    labels: { lines: ['commit', 'lookup', 'query', 'market'] },
    buckets: WAIT_S,
  },
  heyblue_commit_result_total: {
    kind: 'counter',
    help: 'Operations by what the store decided.',
    labels: { code: CLOSED_SET },
  },
  heyblue_ledger_backstop_total: {
    kind: 'counter',
    help: 'Movements that the store refused because the points were not there: their actor had more in mind. Never.',
  },
  heyblue_timers_total: {
    kind: 'counter',
    help: 'Durable timers by what became of a delivery.',
    labels: { result: ['delivered', 'retried', 'rested'] },
  },
  heyblue_retold_total: {
    kind: 'counter',
    help: 'Settlements of a dead owner that were told again.',
    labels: { result: ['told', 'retried'] },
  },
  heyblue_outbox_depth: {
    kind: 'gauge',
    help: 'Rows that wait to be published.',
    labels: { target: TARGETS },
  },
  heyblue_outbox_leading: {
    kind: 'gauge',
    help: '1 where this node publishes the target, 0 where it stands by.',
    labels: { target: TARGETS },
  },
  heyblue_archived_total: { kind: 'counter', help: 'Events archived.', labels: { stream: STREAMS } },
  heyblue_archived_bytes_total: {
    kind: 'counter',
    help: 'Bytes of the objects that hold them.',
    labels: { stream: STREAMS },
  },
  heyblue_archive_unreadable_total: {
    kind: 'counter',
    help: 'Records that are no events, put aside.',
    labels: { stream: STREAMS },
  },
  heyblue_archive_failures_total: {
    kind: 'counter',
    help: 'Times that stream or archive were away; it is tried again.',
    labels: { stream: STREAMS },
  },
  heyblue_archive_waiting_seconds: {
    kind: 'gauge',
    help: 'How long the oldest record that was read waits to be archived.',
    labels: { stream: STREAMS },
  },
  heyblue_publish_staleness_seconds: {
    kind: 'histogram',
    help: 'How old the oldest row of a batch was when it had arrived: how late a stream or a balance is.',
    labels: { target: TARGETS },
    buckets: LATE_S,
  },
  heyblue_reader_behind_seconds: {
    kind: 'gauge',
    help: 'How far behind the newest record a reader of a shard is, as the stream says.',
    labels: { consumer: CONSUMERS, stream: STREAMS, shard: CLOSED_SET },
  },
  heyblue_stream_records_total: {
    kind: 'counter',
    help: 'Records read from streams.',
    labels: { consumer: CONSUMERS, stream: STREAMS },
  },
  heyblue_dead_letters_total: {
    kind: 'counter',
    help: 'Records that could never be taken, put aside for operators.',
    labels: { consumer: CONSUMERS, stream: STREAMS },
  },
  heyblue_projection_staleness_seconds: {
    kind: 'histogram',
    help: 'How old the oldest event of a batch was when the read model had taken it.',
    labels: { projection: CONSUMERS },
    buckets: LATE_S,
  },
  heyblue_audit_leading: { kind: 'gauge', help: '1 where this node audits, 0 where it stands by.' },
  heyblue_audits_total: {
    kind: 'counter',
    help: 'Audits by what they found.',
    labels: { result: ['clean', 'wrong', 'unreadable', 'failed'] },
  },
  heyblue_audit_differences: { kind: 'gauge', help: 'Differences that the last audit found.' },
  heyblue_audit_seconds: { kind: 'gauge', help: 'How long the last audit took.' },
  heyblue_sealed_days_total: { kind: 'counter', help: 'Days of the ledger that were sealed.' },
  heyblue_settled_days_total: {
    kind: 'counter',
    help: 'Days of merchants that were closed because nobody had asked for them.',
  },
  heyblue_pruned_total: {
    kind: 'counter',
    help: 'Rows removed because nobody can ask for them any more.',
    labels: { what: ['keys', 'answers', 'burned'] },
  },
  heyblue_published_total: { kind: 'counter', help: 'Rows published.', labels: { target: TARGETS } },
  heyblue_rules_active: { kind: 'gauge', help: 'Business rules of which a version counts on this node.' },
  heyblue_rules_evaluated_total: {
    kind: 'counter',
    help: 'Evaluations of business rules that were not remembered, by kind of rule.',
    labels: { kind: RULE_KINDS },
  },
  heyblue_rules_failed_total: {
    kind: 'counter',
    help: 'Evaluations that said what is no award, so that the next rule was asked.',
    labels: { kind: RULE_KINDS },
  },
  heyblue_rules_followed_total: {
    kind: 'counter',
    help: 'Looks at which versions count; away: the store did not answer.',
    labels: { result: ['read', 'away'] },
  },
  heyblue_rules_refused: {
    kind: 'gauge',
    help: 'Business rules of which the version that is to count would be refused today: an earlier one counts, or none.',
  },
  heyblue_rules_unwritten_total: {
    kind: 'counter',
    help: 'Evaluations that were not written down: too many waited, or the node stopped.',
  },
  heyblue_encounters_total: {
    kind: 'counter',
    help: 'Meetings that earned points.',
    labels: { method: ['proximity', 'hey', 'qr'] },
  },
  heyblue_spans_total: {
    kind: 'counter',
    help: 'Spans by what became of them on their way to the collector.',
    labels: { result: ['sent', 'failed', 'dropped'] },
  },
  heyblue_batches_total: {
    kind: 'counter',
    help: 'Batches of messages between nodes, by direction.',
    labels: { dir: ['in', 'out'] },
  },
  heyblue_envelopes_total: {
    kind: 'counter',
    help: 'Messages between nodes, by direction.',
    labels: { dir: ['in', 'out'] },
  },
  heyblue_envelopes_refused_total: {
    kind: 'counter',
    help: 'Messages between nodes that were not taken (garbage, version, expired, late, duplicate, ...).',
    labels: { why: CLOSED_SET },
  },
  heyblue_batches_resent_total: {
    kind: 'counter',
    help: 'Batches sent again under their number because nobody acknowledged them.',
  },
  heyblue_bounces_total: {
    kind: 'counter',
    help: 'Messages sent back because their shard is not served here.',
    labels: { why: CLOSED_SET },
  },
  heyblue_redirects_total: {
    kind: 'counter',
    help: 'Messages that came back and were sent on, by why they came back.',
    labels: { why: CLOSED_SET },
  },
  heyblue_shed_total: {
    kind: 'counter',
    help: 'Messages given up unexecuted (no room, waited too long, too many redirections, overtaken; command: the node is behind).',
    labels: { what: CLOSED_SET },
  },
  heyblue_unknown_outcomes_total: {
    kind: 'counter',
    help: 'Messages of which nobody can say whether they were executed.',
    labels: { what: ['ask', 'tell', 'cargo'] },
  },
  heyblue_pushes_lost_total: {
    kind: 'counter',
    help: 'Pushes that did not reach the gateway of their sockets.',
    labels: { why: CLOSED_SET },
  },
  heyblue_ask_cycles_total: {
    kind: 'counter',
    help: 'Asks refused because they came back to an actor that waits for them.',
  },
  heyblue_clock_moved_seconds: {
    kind: 'gauge',
    help: 'By how much the clock of this node moved when it last heard that of PostgreSQL.',
  },
  heyblue_timers_armed: { kind: 'gauge', help: 'Timers of actors, asks and routes that run in this node.' },
  heyblue_nats_subscriptions: { kind: 'gauge', help: 'Subjects that this node hears.' },
  heyblue_route_bytes: { kind: 'gauge', help: 'Bytes of messages between nodes that wait in this node.' },
  heyblue_metric_misuse_total: {
    kind: 'counter',
    help: 'Uses of a metric that is not declared as it was used.',
  },
  heyblue_nats_disconnects_total: {
    kind: 'counter',
    help: 'Connections to NATS that broke.',
    labels: { purpose: ['leases', 'messages'] },
  },
  heyblue_nats_not_sent_total: {
    kind: 'counter',
    help: 'Messages between nodes that could not be sent although NATS was connected.',
    labels: { reason: ['too_large', 'backlog', 'refused'] },
  },
  heyblue_nats_bucket_made_total: {
    kind: 'counter',
    help: 'Times the coordination bucket was gone and made anew.',
  },
  heyblue_shards_owned: { kind: 'gauge', help: 'Shards that this node holds.' },
  heyblue_shards_taken_total: { kind: 'counter', help: 'Shards opened here.' },
  heyblue_shards_lost_total: {
    kind: 'counter',
    help: 'Shards taken away by the fence or by the record.',
    labels: { why: ['fence', 'record'] },
  },
  heyblue_handoffs_total: {
    kind: 'counter',
    help: 'Hand-overs of shards begun here, by how they ended.',
    labels: { outcome: ['given', 'kept', 'lost'] },
  },
  heyblue_handoff_seconds: {
    kind: 'histogram',
    help: 'From the start of a hand-over to the release of the shard.',
    buckets: WAIT_S,
  },
  heyblue_lease_renewals_failed_total: { kind: 'counter', help: 'Renewals of the lease that got no answer.' },
  heyblue_lease_lapses_total: { kind: 'counter', help: 'Times the lease ran out and nothing ran here.' },
  heyblue_evicted_total: { kind: 'counter', help: 'Times this node was evicted and discarded everything.' },
  heyblue_evictions_total: { kind: 'counter', help: 'Silent nodes that this one evicted.' },
  heyblue_evictions_refused_total: {
    kind: 'counter',
    help: 'Evictions that came to nothing because the node had renewed.',
  },
  heyblue_cluster_rubbish_total: {
    kind: 'counter',
    help: 'Records in the coordination bucket that are none.',
    labels: { kind: ['node', 'shard'] },
  },
  heyblue_cluster_rewinds_total: {
    kind: 'counter',
    help: 'Times the coordination bucket was found rolled back or made anew.',
  },
  heyblue_cluster_resyncs_total: { kind: 'counter', help: 'Times the whole coordination bucket was read.' },
  heyblue_cluster_watch_stalls_total: {
    kind: 'counter',
    help: 'Times the watch of the coordination bucket stood still.',
  },
  rt_sessions_by_presence: {
    kind: 'gauge',
    help: 'People whose actor is here, by presence.',
    labels: { presence: ['online', 'away', 'grace', 'offline'] },
  },
  rt_presence_edges_total: {
    kind: 'counter',
    help: 'Changes of the presence that others see.',
    labels: { to: ['online', 'away', 'offline'] },
  },
  rt_event_ack_lag_seconds: {
    kind: 'histogram',
    help: 'Age of the oldest event that an ACK acknowledges.',
    buckets: [0.05, 0.1, 0.25, 0.5, 1, 2, 5, 10, 30, 60, 300],
  },
  heyblue_heap_limit_bytes: {
    kind: 'gauge',
    help: 'How large V8 lets the heap become; the process dies beyond it.',
  },
  rt_connections: {
    kind: 'gauge',
    help: 'Open WebSockets: those that have not shown a token, those whose actor is asked, those that were welcomed.',
    labels: { state: ['hello', 'attaching', 'open'], transport: ['ws', 'wss'] },
  },
  rt_probes_total: {
    kind: 'counter',
    help: 'Sessions asked for after their actor moved, by its answer.',
    labels: { result: ['known', 'refused'] },
  },
  rt_held: {
    kind: 'gauge',
    help: 'Entries of the tables of the gateway: each belongs to a socket, or is forgotten by itself.',
    labels: {
      table: [
        'sessions',
        'waiting',
        'attaching',
        'put_off',
        'users',
        'addresses',
        'volatiles',
        'again',
        'positions',
        'probes',
      ],
    },
  },
  rt_attached: { kind: 'gauge', help: 'Sockets, here or elsewhere, that the actors on this node know.' },
  rt_half_open: { kind: 'gauge', help: 'Connections to the realtime port that have not sent a request yet.' },
  rt_accept_rejected_total: {
    kind: 'counter',
    help: 'Connections and handshakes that were turned away, by why.',
    labels: {
      reason: [
        'half_open',
        'silent',
        'full',
        'rate',
        'address_rate',
        'connections',
        'unauthenticated',
        'handshakes',
        'leaving',
        'protocol',
        'origin',
        'token',
      ],
    },
  },
  rt_rate_limited_total: {
    kind: 'counter',
    help: 'Frames refused for their number, by whose bucket was empty.',
    labels: { scope: ['session', 'user', 'address'] },
  },
  rt_resume_total: {
    kind: 'counter',
    help: 'Phones that came back, by what they got.',
    labels: { result: ['replayed', 'snapshot', 'epoch_mismatch', 'too_old', 'foreign', 'full'] },
  },
  rt_token_refresh_total: {
    kind: 'counter',
    help: 'Tokens renewed over an open socket.',
    labels: { result: ['renewed', 'refused'] },
  },
  rt_revocations_total: {
    kind: 'counter',
    help: 'Revocations of tokens that began here.',
    labels: { kind: ['user', 'token'] },
  },
  rt_operator_actions_total: {
    kind: 'counter',
    help: 'What operators did here, by whether the audit log took it; unwritten ones did not happen.',
    labels: {
      action: [
        'operator.create',
        'node.drain',
        'socket.list',
        'rate.list',
        'rate.set',
        'zips.look',
        'zips.replace',
        'places.list',
        'place.put',
        'place.delete',
        'report.zips',
        'report.participation',
        'domain.look',
        'dead.list',
        'dead.replay',
        'user.look',
        'user.disconnect',
        'user.revoke',
        'user.erase',
        'token.revoke',
        'trace.start',
        'trace.read',
        'trace.end',
        'audit.read',
        'hold.list',
        'hold.release',
        'hold.reject',
        'catalog.list',
        'catalog.put',
        'catalog.verify',
        'catalog.suspend',
        'account.look',
        'account.limit',
        'account.close',
        'account.open',
        'account.reverse',
        'offer.list',
        'offer.withdraw',
        'rule.list',
        'rule.look',
        'rule.create',
        'rule.patch',
        'rule.test',
        'rule.publish',
        'rule.retire',
        'rule.evaluate',
        'transfer.explain',
      ],
      result: ['written', 'unwritten'],
    },
  },
  rt_operator_words_refused_total: {
    kind: 'counter',
    help: 'Messages between gateways about people that were none, or too many at once.',
    labels: { what: ['question', 'answer', 'busy'] },
  },
  rt_frame_bytes: {
    kind: 'histogram',
    help: 'Size of WebSocket messages (one in 64 is measured).',
    labels: { dir: ['in', 'out'] },
    buckets: FRAMES,
  },
  rt_command_dedup_total: {
    kind: 'counter',
    help: 'Commands that came again under their key and got the first answer.',
    labels: { op: CLOSED_SET },
  },
  rt_replayed_events: {
    kind: 'histogram',
    help: 'Events that a phone which resumed had missed.',
    buckets: [0, 1, 2, 5, 10, 20, 50, 128],
  },
  rt_attach_inflight: { kind: 'gauge', help: 'Phones whose actor is asked to attach them.' },
  rt_push_fanout_seconds: {
    kind: 'histogram',
    help: 'From the turn that said a push, over its commit, to the write on sockets of this node (one in 64 is measured).',
    buckets: FANOUT_S,
  },
  rt_bus_lag_seconds: {
    kind: 'histogram',
    help: 'A message of this node to itself over the bus, each second.',
    buckets: WAIT_S,
  },
  rt_loop_delay_seconds: {
    kind: 'histogram',
    help: 'How late a timer of 100 ms runs, each time.',
    buckets: WAIT_S,
  },
  rt_outbox_ring_bytes: {
    kind: 'histogram',
    help: 'Bytes of events that the ring of a person holds when a phone attaches.',
    buckets: RING,
  },
  rt_ping_rtt_seconds: {
    kind: 'histogram',
    help: 'Round trip of a PING to a phone whose app is on the screen; a few phones each second.',
    buckets: WAIT_S,
  },
  rt_close_total: {
    kind: 'counter',
    help: 'Closed WebSockets by close code and by who ended them; 1006 of a client: it went, or was cut for its silence.',
    labels: { code: CLOSED_SET, initiator: ['server', 'client'] },
  },
  rt_frames_total: {
    kind: 'counter',
    help: 'Frames by direction and type.',
    labels: { dir: ['in', 'out'], type: FRAME_TYPES },
  },
  rt_positions_shed_total: {
    kind: 'counter',
    help: 'Positions that the next one of the same phone replaced before they were read, because the node was behind.',
  },
  rt_decoder_rejects_total: {
    kind: 'counter',
    help: 'Frames that the bounded decoder refused.',
    labels: { why: CLOSED_SET },
  },
  rt_command_seconds: {
    kind: 'histogram',
    help: 'From a COMMAND to its REPLY or ERROR.',
    labels: { op: CLOSED_SET, result: ['ok', 'refused', 'failed', 'timeout'] },
    buckets: WAIT_S,
  },
  rt_request_seconds: {
    kind: 'histogram',
    help: 'From a request to REST to its answer; refused: the caller was wrong (4xx), failed: we were (5xx).',
    labels: { result: ['ok', 'refused', 'failed'] },
    buckets: WAIT_S,
  },
  rt_conflated_total: {
    kind: 'counter',
    help: 'Volatile frames that a newer version replaced, or that too many others pushed out, before they were sent.',
    labels: { kind: CLOSED_SET },
  },
  rt_slow_ladder: {
    kind: 'gauge',
    help: 'Phones that are behind: volatile frames thinned, or stopped before the socket is closed with 4102.',
    labels: { level: ['thinned', 'stopped'] },
  },
  rt_buffered_bytes: {
    kind: 'histogram',
    help: 'Bytes that a phone has not taken, each second, of the phones that have not taken all.',
    buckets: BUFFERED,
  },
  rt_goaway_total: {
    kind: 'counter',
    help: 'Phones that were told to connect elsewhere.',
    labels: { reason: ['restart', 'rebalance'] },
  },
  heyblue_drain_shards_left_total: {
    kind: 'counter',
    help: 'Shards that were not handed over when a drain had to end.',
  },
  rt_drain_phones_left_total: {
    kind: 'counter',
    help: 'Sockets that were still here when a drain had to end.',
  },
  rt_drain_remaining: { kind: 'gauge', help: 'Sockets that are still here while the node drains.' },
  rt_commands_again_total: {
    kind: 'counter',
    help: 'Commands asked for once more, because they were proven not executed or carry a key.',
    labels: { op: CLOSED_SET },
  },
  rt_handshake_seconds: { kind: 'histogram', help: 'From the open socket to WELCOME.', buckets: WAIT_S },
  heyblue_location_samples_total: {
    kind: 'counter',
    help: 'Sampled positions by what became of them: kept, replaced by a newer one while they waited, no room (full), failed, or forgotten because the person opted out.',
    labels: { result: ['kept', 'replaced', 'full', 'failed', 'forgotten'] },
  },
  heyblue_location_waiting: { kind: 'gauge', help: 'People with a sampled position that waits to be kept.' },
  heyblue_location_requests_total: {
    kind: 'counter',
    help: 'Requests to the location service.',
    labels: { operation: CLOSED_SET, result: ['ok', 'throttled', 'unavailable', 'refused', 'invalid'] },
  },
  heyblue_verifications_total: {
    kind: 'counter',
    help: 'Positions of encounters that are held, by what the location service said of them; failed or full: nothing.',
    labels: { result: ['fits', 'unknown', 'far', 'proxy', 'failed', 'full'] },
  },
  heyblue_zip_areas: { kind: 'gauge', help: 'Zip codes whose polygons this node knows.' },
  heyblue_place_crossings_total: {
    kind: 'counter',
    help: 'Visits to places that began or ended, of people who share their position.',
    labels: { kind: ['hub', 'merchant'], way: ['enter', 'exit'] },
  },
  heyblue_region_handed_over_total: {
    kind: 'counter',
    help: 'Regions that handed over what they knew because their cell was divided, or made one again.',
    labels: { way: ['split', 'merge'] },
  },
  heyblue_region_passed_on_total: {
    kind: 'counter',
    help: 'Messages that a region passed on because their sender knew an older layout of its cell.',
  },
  heyblue_region_unanswered_total: {
    kind: 'counter',
    help: 'Regions that began without what those before them knew: a node was lost, or could not be reached.',
  },
  heyblue_region_layouts: {
    kind: 'gauge',
    help: 'Cells that are divided among several regions, as this node knows them.',
  },
  heyblue_region_layout_changes_total: {
    kind: 'counter',
    help: 'Changes of a layout that this node asked for, by what became of them.',
    labels: { way: ['split', 'merge'], result: ['written', 'refused', 'failed'] },
  },
  heyblue_region_layout_rubbish_total: {
    kind: 'counter',
    help: 'Records of the directory of layouts that are none; each is passed over.',
  },
  heyblue_places: { kind: 'gauge', help: 'Active hubs and merchants that this node knows.' },
} as const satisfies Record<string, MetricRow>;

export type MetricName = keyof typeof METRICS;
