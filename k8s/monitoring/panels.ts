/**
 * What operators look at: four pages of panels, each panel a question and the series that answer it. Grafana's JSON is made
 * from this table (`document.ts`).
 */
import { INDICATORS, recordOf } from './slo.ts';

export interface Panel {
  readonly title: string;
  readonly queries: readonly { readonly expr: string; readonly legend: string }[];
  /** Of Grafana: s, bytes, percentunit, short, ops. */
  readonly unit: string;
  readonly says?: string;
}

export interface Dashboard {
  /** Of the file, and of the page in Grafana. */
  readonly uid: string;
  readonly title: string;
  readonly panels: readonly Panel[];
}

const panel = (title: string, unit: string, expr: string, legend: string, says?: string): Panel => ({
  title,
  unit,
  queries: [{ expr, legend }],
  ...(says && { says }),
});

/** Median and 99th percentile of a histogram. */
const spread = (title: string, metric: string, by: readonly string[] = [], says?: string): Panel => ({
  title,
  unit: metric.endsWith('_bytes') ? 'bytes' : 's',
  queries: [0.5, 0.99].map(quantile => ({
    expr: `histogram_quantile(${quantile}, sum by (${['le', ...by].join(', ')}) (rate(${metric}_bucket[$__rate_interval])))`,
    legend: `p${quantile * 100}${by.map(label => ` {{${label}}}`).join('')}`,
  })),
  ...(says && { says }),
});

/** Events per second, by a label. */
const rates = (title: string, metric: string, by: string, says?: string): Panel =>
  panel(title, 'ops', `sum by (${by}) (rate(${metric}[$__rate_interval]))`, `{{${by}}}`, says);

const SERVICE: Dashboard = {
  uid: 'heyblue-service',
  title: 'HeyBlue: service level',
  panels: [
    ...INDICATORS.map(indicator =>
      panel(
        `Bad share, 6 h: ${indicator.name}`,
        'percentunit',
        recordOf(indicator, '6h'),
        indicator.name,
        `${indicator.objective * 100} %: ${indicator.says}.`,
      ),
    ),
    panel(
      'Budget left of 3 days: commands',
      'percentunit',
      `1 - ${recordOf(INDICATORS[0]!, '3d')} / ${(1 - INDICATORS[0]!.objective).toPrecision(1)}`,
      'left',
    ),
    rates('Meetings that earned points', 'heyblue_encounters_total', 'method'),
    rates('Commands by how they ended', 'rt_command_seconds_count', 'result'),
    rates('Requests by how they ended', 'rt_request_seconds_count', 'result'),
    panel('Differences of the last audit', 'short', 'max(heyblue_audit_differences)', 'differences'),
    panel('Audits', 'short', 'sum by (result) (increase(heyblue_audits_total[1d]))', '{{result}} in a day'),
  ],
};

const PHONES: Dashboard = {
  uid: 'heyblue-phones',
  title: 'HeyBlue: phones',
  panels: [
    panel('Sockets', 'short', 'sum by (state) (rt_connections)', '{{state}}'),
    panel('People by presence', 'short', 'sum by (presence) (rt_sessions_by_presence)', '{{presence}}'),
    rates('Frames', 'rt_frames_total', 'type'),
    spread('Command to reply', 'rt_command_seconds'),
    spread('Turn to socket, commit included', 'rt_push_fanout_seconds'),
    spread('Open socket to WELCOME', 'rt_handshake_seconds'),
    spread('Request to answer (REST)', 'rt_request_seconds'),
    rates('Came back', 'rt_resume_total', 'result'),
    rates('Closed, by code', 'rt_close_total', 'code'),
    rates('Turned away', 'rt_accept_rejected_total', 'reason'),
    rates('Refused for their number', 'rt_rate_limited_total', 'scope'),
    spread('Round trip of a ping', 'rt_ping_rtt_seconds'),
    spread('Age of the oldest unacknowledged event', 'rt_event_ack_lag_seconds'),
    panel('Phones that are behind', 'short', 'sum by (level) (rt_slow_ladder)', '{{level}}'),
    rates('Frames that are none', 'rt_decoder_rejects_total', 'why'),
    panel('Sockets that still drain', 'short', 'max by (pod) (rt_drain_remaining)', '{{pod}}'),
  ],
};

const NODES: Dashboard = {
  uid: 'heyblue-nodes',
  title: 'HeyBlue: nodes',
  panels: [
    panel('Shards owned', 'short', 'sum by (pod) (heyblue_shards_owned)', '{{pod}}', '512 in all.'),
    panel('Nodes that answer', 'short', 'sum(up{job="heyblue"})', 'nodes'),
    rates('Hand-overs', 'heyblue_handoffs_total', 'outcome'),
    spread('Hand-over of a shard', 'heyblue_handoff_seconds'),
    {
      title: 'Leases',
      unit: 'short',
      queries: [
        { expr: 'sum(increase(heyblue_lease_lapses_total[10m]))', legend: 'lapsed' },
        { expr: 'sum(increase(heyblue_evictions_total[10m]))', legend: 'evictions' },
        {
          expr: 'sum(increase(heyblue_lease_renewals_failed_total[10m]))',
          legend: 'renewals without answer',
        },
      ],
    },
    spread('A message to oneself over the bus', 'rt_bus_lag_seconds'),
    rates('Messages between nodes', 'heyblue_envelopes_total', 'dir'),
    rates('Refused between nodes', 'heyblue_envelopes_refused_total', 'why'),
    rates('Unknown outcomes', 'heyblue_unknown_outcomes_total', 'what'),
    panel('Actors in memory', 'short', 'sum by (kind) (heyblue_actors)', '{{kind}}'),
    spread('One turn', 'heyblue_actor_turn_seconds', ['kind']),
    spread('Delay of the event loop', 'rt_loop_delay_seconds', ['pod']),
    panel(
      'Cores used',
      'short',
      'sum by (pod) (rate(process_cpu_user_seconds_total[$__rate_interval]) + rate(process_cpu_system_seconds_total[$__rate_interval]))',
      '{{pod}}',
    ),
    {
      title: 'Memory',
      unit: 'bytes',
      queries: [
        { expr: 'max by (pod) (process_resident_memory_bytes)', legend: 'resident {{pod}}' },
        { expr: 'max by (pod) (nodejs_heap_size_used_bytes)', legend: 'heap {{pod}}' },
        { expr: 'max by (pod) (heyblue_heap_limit_bytes)', legend: 'heap at most {{pod}}' },
      ],
    },
    panel('File descriptors', 'short', 'max by (pod) (process_open_fds)', '{{pod}}'),
    panel('Regions that are divided', 'short', 'max(heyblue_region_layouts)', 'cells'),
  ],
};

const STORES: Dashboard = {
  uid: 'heyblue-stores',
  title: 'HeyBlue: stores',
  panels: [
    spread('One commit', 'heyblue_commit_seconds'),
    spread('Wait for a connection to PostgreSQL', 'heyblue_postgres_wait_seconds', ['lines']),
    spread('Wait at the gate', 'heyblue_gate_wait_seconds'),
    rates('What the store decided', 'heyblue_commit_result_total', 'code'),
    panel(
      'Operations in a commit',
      'short',
      'sum(rate(heyblue_commit_group_size_sum[$__rate_interval])) / sum(rate(heyblue_commit_group_size_count[$__rate_interval]))',
      'mean',
    ),
    panel('Rows that wait to be published', 'short', 'max by (target) (heyblue_outbox_depth)', '{{target}}'),
    spread('How late a target is', 'heyblue_publish_staleness_seconds', ['target']),
    rates('Published', 'heyblue_published_total', 'target'),
    panel(
      'Readers behind their stream',
      's',
      'max by (consumer, stream) (heyblue_reader_behind_seconds)',
      '{{consumer}} {{stream}}',
    ),
    spread('How late read tables are', 'heyblue_projection_staleness_seconds', ['projection']),
    rates('Put aside for operators', 'heyblue_dead_letters_total', 'consumer'),
    panel('Waits to be archived', 's', 'max by (stream) (heyblue_archive_waiting_seconds)', '{{stream}}'),
    rates('Archived bytes', 'heyblue_archived_bytes_total', 'stream'),
    rates('Requests to the location service', 'heyblue_location_requests_total', 'result'),
    rates('Looks at the business rules', 'heyblue_rules_followed_total', 'result'),
    rates('Durable timers', 'heyblue_timers_total', 'result'),
    rates('Removed because nobody asks any more', 'heyblue_pruned_total', 'what'),
  ],
};

export const DASHBOARDS: readonly Dashboard[] = [SERVICE, PHONES, NODES, STORES];
