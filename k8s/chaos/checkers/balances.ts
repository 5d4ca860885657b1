/**
 * I2, the other half: a balance is the sum of its postings, every transfer adds up to nothing, and PostgreSQL, DynamoDB, the
 * actors and the screens of the phones name the same number. An actor that had too much in mind would have let it go: the
 * check of PostgreSQL behind it has never refused anything.
 */
import { type Checker, type Evidence, findings, MINT } from '../evidence.ts';

interface Has {
  readonly balance: number;
  readonly version: number;
}

const isSame = (one: Has | undefined, other: Has): boolean =>
  one?.balance === other.balance && one.version === other.version;
const shown = (one: Has | undefined): string =>
  one === undefined ? 'nothing' : `${one.balance} (version ${one.version})`;

/** By person, of all stripes. */
const peopleOf = ({ state }: Evidence): Map<string, Has> => {
  const people = new Map<string, Has>();
  for (const { id, balance, version } of state.accounts) {
    const before = people.get(id) ?? { balance: 0, version: 0 };
    people.set(id, { balance: before.balance + balance, version: before.version + version });
  }
  return people;
};

/** Whether DynamoDB, which follows, says what PostgreSQL says. */
export const balancesFollow: Checker = evidence => {
  const { found, fail } = findings('I2');
  for (const [id, has] of peopleOf(evidence)) {
    if (id === MINT || has.version === 0) continue;
    const stored = evidence.state.balances.get(id);
    if (!isSame(stored, has)) fail('disagree', `${id} has ${shown(has)}, DynamoDB says ${shown(stored)}`);
  }
  return found;
};

const booksAddUp: Checker = ({ state }) => {
  const { found, fail } = findings('I2');
  for (const { id, postings } of state.transfers) {
    const sum = postings.reduce((all, leg) => all + leg.delta, 0);
    if (sum !== 0) fail('disagree', `transfer ${id} adds up to ${sum}`);
  }
  const legs = Map.groupBy(
    state.transfers.flatMap(one => one.postings),
    leg => `${leg.account}/${leg.stripe}`,
  );
  for (const { id, stripe, balance, version } of state.accounts) {
    const mine = (legs.get(`${id}/${stripe}`) ?? []).toSorted((a, b) => a.version - b.version);
    let sum = 0;
    for (const leg of mine) {
      sum += leg.delta;
      if (leg.balance !== sum)
        fail('disagree', `${id} had ${leg.balance} at version ${leg.version}, and its postings say ${sum}`);
    }
    const last = { balance: sum, version: mine.length };
    if (!isSame({ balance, version }, last) || (mine.at(-1)?.version ?? 0) !== version)
      fail('disagree', `${id} has ${shown({ balance, version })}, and its postings say ${shown(last)}`);
  }
  return found;
};

const everybodySaysSo: Checker = evidence => {
  const { found, fail } = findings('I2');
  const { history } = evidence;
  const people = peopleOf(evidence);
  for (const { userId } of history.people) {
    const has = people.get(userId) ?? { balance: 0, version: 0 };
    const actor = history.actors.get(userId);
    if (!isSame(actor, has)) fail('disagree', `${userId} has ${shown(has)}, the actor says ${shown(actor)}`);
    const view = history.views.get(userId);
    if (!isSame(view, has)) fail('disagree', `${userId} has ${shown(has)}, the phone shows ${shown(view)}`);
  }
  for (const id of evidence.state.overdrawn)
    fail('disagree', `PostgreSQL refused ${id} for want of points, which its actor had let go`);
  return found;
};

export const balances: Checker = evidence => [
  ...booksAddUp(evidence),
  ...everybodySaysSo(evidence),
  ...balancesFollow(evidence),
];
