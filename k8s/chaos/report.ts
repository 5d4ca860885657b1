/** The page of a run for people: the verdict, the picture, what was hit and what it did, and what each checker says. */
import { escaped } from '../html.ts';
import { type Evidence, quantile, spellsOf } from './evidence.ts';
import { opsOf } from './history.ts';
import type { CHECKERS, Verdict } from './judge.ts';
import { timelineSvg } from './timelineSvg.ts';

const STYLE = `
  body { font: 15px/1.5 system-ui, sans-serif; max-width: 1120px; margin: 2rem auto; padding: 0 1rem; color: #1c1c1c; background: #fff }
  table { border-collapse: collapse; margin: 1rem 0 } td, th { padding: .2rem .7rem; border-bottom: 1px solid #ddd; text-align: left; vertical-align: top }
  td.n { text-align: right; font-variant-numeric: tabular-nums } svg { width: 100%; height: auto; font: 11px system-ui, sans-serif }
  .pass { color: #2c6e36 } .fail { color: #b3261e } code { font-size: 13px }`;

/** What each checker promises, in words. */
const PROMISES: Readonly<Record<keyof typeof CHECKERS, string>> = {
  acknowledged: 'I1: whatever was acknowledged is in PostgreSQL, as it was promised',
  once: 'I2: nothing happened twice, and nothing that nobody asked for',
  balances: 'I2: PostgreSQL, DynamoDB, actors and phones name the same balance, the sum of its postings',
  owners: 'I3: no older owner wrote after a newer one',
  resumes: 'I4: every phone came back and missed nothing',
  promptResumes: 'I4: 99 % of the phones were back within 8 s',
  handover: 'I4: nodes that are told to end send their phones away first',
  order: 'I5: events came in order and once',
  presence: 'I6: in the end everybody is shown exactly who shares',
  meetings: 'I7: encounters and redemptions went through legal states, and both sides agree',
  contradictions: 'I7: no command was answered in two ways',
  bounds:
    'I8: nodes stayed alive, memory, heap and what sockets held back within their bounds, nothing was left in the outbox',
  isolation: 'I9: who had nothing to do with a sick node did not notice',
  liveness: 'I10: soon after everything was mended, everything worked',
  failStop: 'I11: a node that was cut off stopped scoring',
  streams: 'I12: every movement is in the stream, in order',
};

const row = (cells: readonly unknown[], numbers = 1): string =>
  `<tr>${cells.map((cell, i) => `<td${i >= numbers ? ' class="n"' : ''}>${escaped(String(cell ?? ''))}</td>`).join('')}</tr>`;

/** One row for each fault that hit: when, what, and what clients felt of it. */
const faultRows = ({ history, timeline }: Evidence): string => {
  const ops = opsOf(history);
  const lost = history.records.filter(one => one.type === 'lost');
  return spellsOf(timeline)
    .map(({ n, fault, row: number, what, fromMs, toMs }) => {
      const felt = ops.filter(op => op.t_ms >= fromMs && op.t_ms <= toMs);
      const healed = timeline.faults.find(one => one.n === n && one.phase === 'healed');
      const did = Object.entries(healed?.counts ?? {})
        .map(([name, count]) => `${name} ${count}`)
        .join(', ');
      const acked = felt.filter(op => op.outcome === 'ok').map(op => op.latency_ms);
      return row(
        [
          fault,
          number,
          what,
          did,
          (fromMs / 1_000).toFixed(1),
          ((toMs - fromMs) / 1_000).toFixed(1),
          felt.length,
          felt.filter(op => op.outcome === 'fail').length,
          felt.filter(op => op.outcome === 'unknown').length,
          Math.round(quantile(acked, 0.99) ?? 0),
          lost.filter(one => one.t_ms >= fromMs && one.t_ms <= toMs).length,
        ],
        4,
      );
    })
    .join('\n');
};

const FIGURES: readonly (keyof Verdict)[] = [
  'lost',
  'doubled',
  'stale_rejected',
  'stale_accepted',
  'overlap_ms_max',
  'resume_p50_s',
  'resume_p99_s',
  'resumes',
  'ghosts',
  'missing',
  'disagree',
  'illegal',
  'untold',
  'disorder',
  'not_live',
  'rss_mb_max',
  'heap_mb_max',
  'outbox_max',
  'stream_repeats',
  'transfers',
  'latency_p50_ms',
  'latency_p99_ms',
];

export const reportPage = (evidence: Evidence, verdict: Verdict): string => {
  const { timeline, history } = evidence;
  const { seed, commit, ops } = verdict;
  const skipped = timeline.faults.filter(one => one.phase === 'skipped');
  const endMs = Math.max(timeline.endMs, 1);
  return `<!doctype html>
<html lang="en"><meta charset="utf-8"><title>Chaos, seed ${seed}: ${verdict.verdict}</title><style>${STYLE}</style>
<h1>Chaos, seed ${seed}: <span class="${verdict.verdict}">${verdict.verdict}</span></h1>
<p>Commit ${escaped(commit)}; ${(endMs / 1_000).toFixed(0)} s; ${spellsOf(timeline).length} faults; ${ops.attempted} ops, of
them ${ops.acked} acknowledged, ${ops.failed} refused, ${ops.unknown} unknown.</p>
${timelineSvg(opsOf(history), spellsOf(timeline), { quietFromMs: timeline.quietFromMs, endMs })}
<h2>What it says of the promises</h2>
<table>${Object.entries(PROMISES)
    .map(([name, words]) => {
      const isFine = !verdict.failed.includes(name);
      return `<tr><td class="${isFine ? 'pass' : 'fail'}">${isFine ? 'held' : 'broken'}</td><td>${escaped(words)}</td></tr>`;
    })
    .join('\n')}</table>
${verdict.problems.length === 0 ? '' : `<h2>What was wrong</h2><ul>${verdict.problems.map(words => `<li><code>${escaped(words)}</code></li>`).join('')}</ul>`}
<h2>Figures</h2>
<table>${FIGURES.map(name => row([name, verdict[name]])).join('\n')}</table>
<h2>What was hit, and what clients felt while it lasted</h2>
<table><tr><th>fault</th><th>row</th><th>what</th><th>it did</th><th>at s</th><th>for s</th><th>ops</th><th>refused</th><th>unknown</th><th>p99 ms</th><th>sockets lost</th></tr>
${faultRows(evidence)}</table>
${skipped.length === 0 ? '' : `<p>Skipped: ${skipped.map(one => escaped(`${one.fault} (${one.what})`)).join('; ')}.</p>`}
</html>
`;
};
