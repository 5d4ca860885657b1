import { expect, test } from 'vitest';
import { ERROR, ok, refuse } from '../protocol/errors.ts';
import { type Insisting, insist, insistAgain, insistAnswered, insistInTurn } from './insist.ts';
import { ACTOR_LIMITS } from './limits.ts';
import { insisting, packInsisting } from './packed.ts';
import type { Address, Turn } from './turn.ts';
import { NOTHING_WAITS } from './waiting.ts';

const USER: Address = { kind: 'user', id: 'u' };
const OFFER: Address = { kind: 'offer', id: 'o' };
const AWAY = refuse(ERROR.unavailable, 'away');

const story = () => {
  const said: string[] = [];
  const turn = {
    ask: (to: Address, message: { readonly type: string }) => said.push(`${to.kind} ${message.type}`),
    timer: () => {},
    random32: () => 0,
  } as unknown as Turn;
  return { said, turn };
};

test('what is said in turn waits until the word before it about the same thing is heard', () => {
  const { said, turn } = story();
  let all: Insisting = NOTHING_WAITS;
  all = insistInTurn(all, 'r/confirmed', { to: USER, message: { type: 'confirmed' } }, turn);
  all = insistInTurn(all, 'r/refund-1', { to: USER, message: { type: 'refunded' } }, turn);
  all = insistInTurn(all, 'r/refund-2', { to: USER, message: { type: 'refunded again' } }, turn);
  // another thing, and another listener, wait for nothing
  all = insistInTurn(all, 's/confirmed', { to: USER, message: { type: 'other' } }, turn);
  all = insistInTurn(all, 'r/confirmed/offer', { to: OFFER, message: { type: 'settled' } }, turn);
  expect(said.splice(0)).toEqual(['user confirmed', 'user other', 'offer settled']);
  // lost on its way, said again; the ones behind it wait on, also in another life on another node
  all = insistAnswered(all, 'r/confirmed', AWAY, turn);
  all = insisting(structuredClone(packInsisting(all)));
  for (const key of all.keys()) all = insistAgain(all, key, turn);
  expect(said.splice(0)).toEqual(['user confirmed', 'user other', 'offer settled']);
  all = insistAnswered(all, 'r/confirmed', ok({}), turn);
  expect(said.splice(0)).toEqual(['user refunded']);
  all = insistAnswered(all, 'r/refund-1', ok({}), turn);
  expect(said.splice(0)).toEqual(['user refunded again']);
  all = insistAnswered(all, 'r/refund-2', ok({}), turn);
  expect([...all.keys()]).toEqual(['s/confirmed', 'r/confirmed/offer']);
});

test('who never hears the first word hears the second all the same', () => {
  const { said, turn } = story();
  let all: Insisting = insist(
    NOTHING_WAITS,
    'r/confirmed',
    { to: USER, message: { type: 'confirmed' } },
    turn,
  );
  all = insistInTurn(all, 'r/refund', { to: USER, message: { type: 'refunded' } }, turn);
  for (let i = 1; i < ACTOR_LIMITS.insistTries; i++) {
    all = insistAnswered(all, 'r/confirmed', AWAY, turn);
    all = insistAgain(all, 'r/confirmed', turn);
  }
  said.length = 0;
  all = insistAnswered(all, 'r/confirmed', AWAY, turn);
  expect(said).toEqual(['user refunded']);
  expect(insistAnswered(all, 'r/refund', refuse(ERROR.notFound, 'gone for good'), turn).size).toBe(0);
});
