/** How far the numbers of a link run ahead of what is settled. */
import { expect, test } from 'vitest';
import { ROUTING_LIMITS } from '../limits.ts';
import { KIND } from './envelope.ts';
import { InLink } from './inLink.ts';
import { Note } from './outgoing.ts';
import { OutLink, type Sent } from './outLink.ts';
import { EMPTY } from './slice.ts';

const say = (link: OutLink): Sent | null => {
  link.push(new Note({ kind: KIND.reply, id: 1, body: EMPTY }, 0));
  return link.next(0);
};

test('a link runs no further ahead of its oldest batch than the other side believes, whatever was unheard between', () => {
  const link = new OutLink('n2.x', false, 'subject');
  const other = new InLink('n1.x', '');
  expect(say(link)!.number).toBe(1);
  let newest = 1;
  for (let sent = say(link); sent !== null; sent = say(link)) {
    expect((newest = sent.number)).toBeLessThanOrEqual(ROUTING_LIMITS.window);
    link.unheard(sent, () => {});
  }
  expect(newest).toBe(ROUTING_LIMITS.window);
  expect(other.take(newest, link.oldest)).toBe('taken');
  // the first one is settled: it may go on
  link.acked({ gateway: '', last: 1, holes: [] }, () => {});
  const more = link.next(0)!;
  expect([more.number, link.oldest]).toEqual([newest + 1, newest + 1]);
});

test('a batch that is settled holds nothing, whoever remembers it', () => {
  const link = new OutLink('n2.x', false, 'subject');
  const fates: string[] = [];
  const each = (_out: unknown, fate: string): void => void fates.push(fate);
  const [first, second, third] = [say(link)!, say(link)!, say(link)!];
  link.acked({ gateway: '', last: 1, holes: [] }, each);
  link.unheard(second, each);
  link.close(each);
  expect([first.out, second.out, third.out]).toEqual([[], [], []]);
  expect(fates).toEqual(['arrived', 'unheard', 'unknown']);
});
