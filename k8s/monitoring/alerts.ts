/**
 * Every alert: what is asked, for how long it must be so, and one sentence of what it means. What to do is in `k8s/RUNBOOK.md`,
 * one entry each. `page` wakes somebody: points, doors or a promise are at stake now. `ticket` can wait for the morning.
 *
 * Causes are alerted on only where nobody would notice in time otherwise; what people notice is the service level (`slo.ts`).
 */

export interface Alert {
  readonly name: string;
  readonly expr: string;
  /** How long it must be so before anybody is told. */
  readonly forTime: string;
  readonly severity: 'page' | 'ticket';
  readonly summary: string;
}

const page = 'page';
const ticket = 'ticket';

const row = (
  name: string,
  severity: Alert['severity'],
  forTime: string,
  expr: string,
  summary: string,
): Alert => ({ name, expr, forTime, severity, summary });

/** The ledger and what follows from it. */
const POINTS: readonly Alert[] = [
  row(
    'HeyBlueAuditDifferences',
    page,
    '0m',
    'max(heyblue_audit_differences) > 0',
    'The last audit found differences: points, stock or what was told of them do not fit together.',
  ),
  row(
    'HeyBlueAuditMissing',
    ticket,
    '15m',
    'sum(increase(heyblue_audits_total{result=~"clean|wrong"}[3h])) < 1 or absent(heyblue_audit_leading)',
    'No audit came to its end for three hours.',
  ),
  row(
    'HeyBlueAuditTwice',
    ticket,
    '10m',
    'sum(heyblue_audit_leading) != 1',
    'Not exactly one node audits: the shard of the auditor has no owner, or two.',
  ),
  row(
    'HeyBluePointsOverdrawn',
    ticket,
    '0m',
    'sum(increase(heyblue_ledger_backstop_total[15m])) > 0',
    'The store refused points that an actor had let go: an actor had more in mind than is there. Nothing moved.',
  ),
  row(
    'HeyBlueStaleWrites',
    ticket,
    '0m',
    'sum(increase(heyblue_commit_result_total{code="stale_epoch"}[15m])) > 100',
    'Many writes of owners that were replaced were refused by the fence: nodes lose their shards while they work.',
  ),
  row(
    'HeyBlueOperatorUnwritten',
    page,
    '0m',
    'sum(increase(rt_operator_actions_total{result="unwritten"}[10m])) > 0',
    'What an operator asked for did not happen, because the audit log could not take it.',
  ),
  row(
    'HeyBlueCommitsSlow',
    page,
    '10m',
    'histogram_quantile(0.99, sum by (le) (rate(heyblue_commit_seconds_bucket[5m]))) > 1',
    'The 99th percentile of commits is above a second: PostgreSQL is slow or nearly full.',
  ),
  row(
    'HeyBlueCommitsStopped',
    page,
    '2m',
    'sum(rate(rt_command_seconds_count[2m])) > 1 and (sum(rate(heyblue_commit_seconds_count[2m])) or vector(0)) == 0',
    'Phones ask and nothing is committed: PostgreSQL is away.',
  ),
];

/** What other systems read. */
const TELLING: readonly Alert[] = [
  row(
    'HeyBlueOutboxGrows',
    page,
    '5m',
    'max by (target) (heyblue_outbox_depth) > 10000 and max by (target) (deriv(heyblue_outbox_depth[10m])) > 0',
    'Rows wait to be published and become more: a stream or table does not take them.',
  ),
  row(
    'HeyBlueOutboxOld',
    page,
    '5m',
    'histogram_quantile(0.99, sum by (le, target) (rate(heyblue_publish_staleness_seconds_bucket[5m]))) > 60',
    'What is published now was committed more than a minute ago.',
  ),
  row(
    'HeyBlueOutboxLeaderless',
    page,
    '2m',
    'sum by (target) (heyblue_outbox_leading) != 1',
    'Not exactly one node publishes this target.',
  ),
  row(
    'HeyBlueReaderBehind',
    ticket,
    '10m',
    'max by (consumer, stream) (heyblue_reader_behind_seconds) > 120',
    'A reader is more than two minutes behind its stream: reports and read tables are late.',
  ),
  row(
    'HeyBlueDeadLetters',
    ticket,
    '0m',
    'sum by (consumer, stream) (increase(heyblue_dead_letters_total[1h])) > 0',
    'Records that could never be taken were put aside.',
  ),
  row(
    'HeyBlueArchiveLate',
    ticket,
    '15m',
    'max by (stream) (heyblue_archive_waiting_seconds) > 1800',
    'What was read half an hour ago is not in the archive: after the retention of the stream it would be lost to it.',
  ),
  row(
    'HeyBlueArchiveUnreadable',
    ticket,
    '0m',
    'sum by (stream) (increase(heyblue_archive_unreadable_total[1h])) > 0',
    'Records that are no events came by the stream.',
  ),
  row(
    'HeyBlueRulesAway',
    ticket,
    '15m',
    'sum(rate(heyblue_rules_followed_total{result="read"}[10m])) == 0 and sum(rate(heyblue_rules_followed_total{result="away"}[10m])) > 0',
    'No node could look which business rules count; those known last go on.',
  ),
  row(
    'HeyBlueRulesFail',
    ticket,
    '0m',
    'sum by (kind) (increase(heyblue_rules_failed_total[15m])) > 0',
    'A published rule says what is no award; the next rule is asked instead.',
  ),
  row(
    'HeyBlueRulesRefused',
    ticket,
    '0m',
    'max(heyblue_rules_refused) > 0',
    'A rule of before is no longer let through: an earlier version of it counts, or none.',
  ),
  row(
    'HeyBlueRulesUnwritten',
    ticket,
    '0m',
    'sum(increase(heyblue_rules_unwritten_total[15m])) > 0',
    'What rules were asked could not be written down; some movements may be explained only in part.',
  ),
];

/** Who owns what. */
const NODES: readonly Alert[] = [
  row(
    'HeyBlueNodeDown',
    ticket,
    '5m',
    'up{job="heyblue"} == 0',
    'A node does not answer to be looked at; its users are served by others.',
  ),
  row('HeyBlueNoNodes', page, '1m', 'absent(up{job="heyblue"} == 1)', 'No node answers to be looked at.'),
  row(
    'HeyBlueShardsMissing',
    page,
    '1m',
    'sum(heyblue_shards_owned) < 512',
    'Shards without an owner: their users are not served.',
  ),
  row(
    'HeyBlueLeasesLapse',
    page,
    '0m',
    'sum(increase(heyblue_lease_lapses_total[10m])) > 2 or sum(increase(heyblue_evicted_total[10m])) > 2',
    'Nodes lose their leases again and again: NATS is slow or cut off, or machines stand still.',
  ),
  row(
    'HeyBlueNatsBreaks',
    ticket,
    '5m',
    'sum(increase(heyblue_nats_disconnects_total[10m])) > 10',
    'Connections to NATS break again and again.',
  ),
  row(
    'HeyBlueNatsBucketMade',
    page,
    '0m',
    'sum(increase(heyblue_nats_bucket_made_total[15m])) > 0 or sum(increase(heyblue_cluster_rewinds_total[15m])) > 0',
    'NATS lost the leases, or was rolled back; nodes made them anew under new epochs.',
  ),
  row(
    'HeyBlueDrainIncomplete',
    ticket,
    '0m',
    'sum(increase(heyblue_drain_shards_left_total[15m])) + sum(increase(rt_drain_phones_left_total[15m])) > 0',
    'A node that left did not get everybody away in time: users were read anew elsewhere, or phones were cut off.',
  ),
  row(
    'HeyBlueHandOffsLost',
    ticket,
    '0m',
    'sum(increase(heyblue_handoffs_total{outcome="lost"}[15m])) > 0',
    'Hand-overs ended by eviction: the successor had to wait for the lease.',
  ),
  row(
    'HeyBlueUnknownOutcomes',
    ticket,
    '10m',
    'sum(rate(heyblue_unknown_outcomes_total[5m])) > 1',
    'Nodes cannot say whether what they asked each other was executed: the way between them is bad.',
  ),
];

/** What phones notice. */
const PHONES: readonly Alert[] = [
  row(
    'HeyBlueResumeFails',
    page,
    '10m',
    'sum(rate(rt_resume_total{result=~"epoch_mismatch|foreign|full"}[5m])) / sum(rate(rt_resume_total[5m])) > 0.01 and sum(rate(rt_resume_total[5m])) > 1',
    'More than one phone in a hundred that comes back has to read everything anew, and not for having been away too long.',
  ),
  row(
    'HeyBlueSlowPhones',
    ticket,
    '10m',
    'sum(rate(rt_close_total{code="4102"}[10m])) / sum(rate(rt_close_total[10m])) > 0.05 and sum(rate(rt_close_total{code="4102"}[10m])) > 0.1',
    'More than one socket in twenty that close is let go because its phone does not take what it is sent.',
  ),
  row(
    'HeyBlueAcksLate',
    ticket,
    '10m',
    'histogram_quantile(0.9, sum by (le) (rate(rt_event_ack_lag_seconds_bucket[10m]))) > 10 and sum(rate(rt_event_ack_lag_seconds_count[10m])) > 1',
    'One acknowledgement in ten is for an event of more than ten seconds ago; phones promise two.',
  ),
  row(
    'HeyBlueDecoderRejects',
    ticket,
    '10m',
    'sum(rate(rt_decoder_rejects_total[5m])) > 10',
    'Many frames that are none: an attack, or a client that was released with a mistake.',
  ),
  row(
    'HeyBlueBusSlow',
    page,
    '5m',
    'histogram_quantile(0.99, sum by (le) (rate(rt_bus_lag_seconds_bucket[5m]))) > 0.25',
    'A message between nodes takes more than a quarter of a second (99th percentile).',
  ),
];

/** What a node lives on. */
const PROCESS: readonly Alert[] = [
  row(
    'HeyBlueLoopSlow',
    page,
    '5m',
    'histogram_quantile(0.99, sum by (le, pod) (rate(rt_loop_delay_seconds_bucket[5m]))) > 0.1',
    'The event loop of a node is late by more than 100 ms (99th percentile): it is full.',
  ),
  row(
    'HeyBlueHeapFull',
    page,
    '5m',
    'max by (pod) (nodejs_heap_size_used_bytes / heyblue_heap_limit_bytes) > 0.85',
    'The heap of a node has used 85 % of what it may have: it is about to die.',
  ),
  row(
    'HeyBlueFilesFull',
    page,
    '5m',
    'max by (pod) (process_open_fds / process_max_fds) > 0.85',
    'A node has used 85 % of its file descriptors; without them nobody can connect.',
  ),
  row(
    'HeyBlueCoreFull',
    ticket,
    '15m',
    'avg(rate(process_cpu_user_seconds_total[5m]) + rate(process_cpu_system_seconds_total[5m])) > 0.8',
    'Nodes use more than 80 % of a core on average: there are too few of them.',
  ),
  row(
    'HeyBlueMailboxesFull',
    ticket,
    '5m',
    'sum by (kind) (rate(heyblue_mailbox_full_total[5m])) > 1',
    'Messages are refused because mailboxes are full: one actor is asked more than it can do.',
  ),
  row(
    'HeyBlueMetricMisuse',
    ticket,
    '0m',
    'sum(increase(heyblue_metric_misuse_total[1h])) > 0',
    'A metric is used as it is not declared: something here is not counted.',
  ),
  row(
    'HeyBlueSpansLost',
    ticket,
    '30m',
    'sum(rate(heyblue_spans_total{result=~"failed|dropped"}[10m])) > 1',
    'Traces do not reach their collector.',
  ),
  row(
    'HeyBlueLocationRefused',
    ticket,
    '15m',
    'sum by (result) (rate(heyblue_location_requests_total{result=~"throttled|unavailable|refused"}[10m])) > 1',
    'Amazon Location does not take our requests: positions are not sampled, held meetings not verified.',
  ),
];

export const ALERTS: readonly Alert[] = [...POINTS, ...TELLING, ...NODES, ...PHONES, ...PROCESS];
