/** Messages that an actor takes together wait as one, in their place. */
import { expect, it } from 'vitest';
import { type Join, type Mail, Mailbox } from './mailbox.ts';

const mail = (type: string, more: Partial<Mail> = {}): Mail => ({
  message: { type },
  replyTo: null,
  cause: null,
  bytes: 10,
  ...more,
});
const join: Join = (waiting, message) =>
  message.type === 'x' && waiting.type.startsWith('x') ? { type: `${waiting.type}${message.type}` } : null;

function filled(...all: Mail[]): string[] {
  const mailbox = new Mailbox(4);
  for (const one of all) if (!mailbox.joinLast(one, join)) mailbox.push(one, false, false);
  const out: string[] = [];
  for (let one = mailbox.shift(); one; one = mailbox.shift()) out.push(`${one.message.type} ${one.bytes}`);
  return out;
}

it('what may be joined is put to the last that waits, and to no other', () => {
  expect(filled(mail('x'), mail('x'), mail('x'), mail('y'), mail('x'), mail('x'))).toEqual([
    'xxx 30',
    'y 10',
    'xx 20',
  ]);
});

it('has room for it in a full mailbox', () => {
  expect(filled(mail('y'), mail('y'), mail('y'), mail('x'), mail('x'), mail('y'))).toEqual([
    'y 10',
    'y 10',
    'y 10',
    'xx 20',
  ]);
});

it('not when somebody waits for an answer, or follows one of the two', () => {
  const asked = { replyTo: { node: 'n', askId: 1 } };
  const traced = (trace: string) => ({ cause: { trace, chain: [], asked: null } });
  expect(filled(mail('x', asked), mail('x'))).toHaveLength(2);
  expect(filled(mail('x'), mail('x', asked))).toHaveLength(2);
  expect(filled(mail('x', traced('a')), mail('x', traced('b')))).toHaveLength(2);
  expect(filled(mail('x', traced('a')), mail('x', traced('a')))).toHaveLength(1);
});
