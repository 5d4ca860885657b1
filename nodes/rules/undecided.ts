/** Movements that no graph of a rule decided, explained: points whose time was over, and corrections of operators. */
import type { Explanation, MovementRecord } from './explainer.ts';
import type { Reversed } from './reversed.ts';

/** So many, in words. */
export const points = (count: number): string =>
  Math.abs(count) === 1 ? `${count} point` : `${count} points`;

/** Nothing was asked, so nothing is asked again. */
const UNDECIDED = { replay: 'unknown', given: null, points: null, agrees: null } as const;

/**
 * No graph decides that points are gone: the rule is a number of days, which is its version (`actors/user/expiry.ts`), so the
 * entry itself says everything.
 */
export function expiryOf(
  { id: transferId, reason, atMs, rule, postings }: MovementRecord,
  of: string | null,
): Explanation {
  const { id, version } = rule;
  const gone = postings.find(({ delta }) => delta < 0);
  const whose = of === null ? `the ${gone?.kind ?? 'closed'} account` : 'your account';
  const days = version === 1 ? 'a whole day' : `${version} whole days`;
  return {
    ...UNDECIDED,
    transferId,
    reason,
    atMs,
    rule: { ...rule, title: 'Points live for so many days' },
    sentences: [
      `${points(-(gone?.delta ?? 0))} of ${whose} expired: they came more than ${days} before and were not spent.`,
      'What came first is spent first, so these were the oldest. Points that were set aside at that time were not taken.',
      `The rule ${id} says that points live for ${days}.`,
    ],
  };
}

/** An operator decided, and no graph; why, operators are told. */
export function reversalOf(
  { id: transferId, reason, atMs, rule, postings }: MovementRecord,
  of: string | null,
  reversed: Reversed | null,
): Explanation {
  const [from, to] = [postings.find(({ delta }) => delta < 0), postings.find(({ delta }) => delta > 0)];
  const nameOf = (side: typeof from): string => {
    if (side && side.account === of) return 'your account';
    return side?.kind ? `the account of a ${side.kind}` : 'an account of the town';
  };
  const entry = reversed === null ? 'an entry' : `the ${reversed.reason} ${reversed.transferId}`;
  return {
    ...UNDECIDED,
    transferId,
    reason,
    atMs,
    rule: { ...rule, title: 'Corrections are entries of their own' },
    sentences: [
      `An operator took back ${points(to?.delta ?? 0)} that ${entry} had brought ${nameOf(from)}.`,
      `They went back to where they had come from: ${nameOf(to)}. What that entry did besides stays as it is.`,
      ...(of === null && reversed ? [`The reason given: ${reversed.why}.`] : []),
      ...(reversed === null ? ['Which entry it was is not in the log of operators.'] : []),
    ],
  };
}
