/**
 * I2: nothing happened twice, and nothing that nobody asked for. Keys play no part in it: no two meet twice in a run, and
 * nobody lets the same number of points go twice, so what is stored tells by itself which op it was.
 */
import { type Checker, type Evidence, findings } from '../evidence.ts';
import { type OpRecord, opsOf } from '../history.ts';

/** What the ledger calls a movement that an op of this name makes. */
const REASON = { donate: 'donation', give: 'giveaway' } as const;

const wordsOf = (ops: readonly OpRecord[]): string =>
  ops.length === 0
    ? 'nobody asked for it'
    : `it was asked for as ${ops.map(op => `${op.id} (${op.outcome})`)}`;

type Fail = (words: string) => void;

const meetings = ({ state }: Evidence, ops: readonly OpRecord[], fail: Fail): void => {
  const asked = Map.groupBy(
    ops.filter(op => op.op === 'meet'),
    op => `${op.other} ${op.who}`,
  );
  for (const [pair, rows] of Map.groupBy(state.encounters, one => `${one.officer} ${one.civilian}`)) {
    if (rows.length > 1) fail(`${pair} met ${rows.length} times: ${rows.map(row => row.id)}`);
    const those = asked.get(pair) ?? [];
    if (those.every(op => op.outcome === 'fail'))
      fail(`encounter ${rows[0]!.id} of ${pair} is there, and ${wordsOf(those)}`);
    const named = new Set(those.flatMap(op => op.named ?? []));
    if (named.size > 1) fail(`${pair} were told of ${named.size} encounters: ${[...named]}`);
  }
};

const gifts = ({ state }: Evidence, ops: readonly OpRecord[], fail: Fail): void => {
  for (const [name, reason] of Object.entries(REASON)) {
    const asked = Map.groupBy(
      ops.filter(op => op.op === name),
      op => `${op.who}: ${op.points}`,
    );
    const stored = Map.groupBy(
      state.transfers.filter(one => one.reason === reason),
      one => {
        const payer = one.postings.find(leg => leg.delta < 0);
        return `${payer?.account}: ${-(payer?.delta ?? 0)}`;
      },
    );
    for (const [what, rows] of stored) {
      const those = asked.get(what) ?? [];
      if (rows.length > 1 || those.every(op => op.outcome === 'fail'))
        fail(`${reason} of ${what} is there ${rows.length} times, and ${wordsOf(those)}`);
    }
  }
};

const redemptions = ({ state }: Evidence, ops: readonly OpRecord[], fail: Fail): void => {
  const reserving = ops.filter(op => op.op === 'reserve' && op.outcome !== 'fail');
  const byUser = Map.groupBy(reserving, op => op.who);
  for (const [user, rows] of Map.groupBy(state.redemptions, one => one.user)) {
    const most = byUser.get(user)?.length ?? 0;
    if (rows.length > most) fail(`${user} has ${rows.length} redemptions and asked for ${most} at the most`);
  }
  for (const [id, those] of Map.groupBy(reserving, op => op.named))
    if (id !== null && those.length > 1)
      fail(`redemption ${id} is the answer to ${those.length} reservations`);
};

export const once: Checker = evidence => {
  const { found, fail } = findings('I2');
  const doubled: Fail = words => fail('doubled', words);
  const ops = opsOf(evidence.history);
  meetings(evidence, ops, doubled);
  gifts(evidence, ops, doubled);
  redemptions(evidence, ops, doubled);
  const versions = Map.groupBy(
    evidence.state.transfers.flatMap(one => one.postings),
    leg => `${leg.account}/${leg.stripe} version ${leg.version}`,
  );
  for (const [version, legs] of versions)
    if (legs.length > 1) doubled(`${version} was posted ${legs.length} times`);
  return found;
};
