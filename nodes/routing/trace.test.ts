/** A trace over several nodes: each hop is a span, and what it causes on the other side stands below it. */
import { expect, it } from 'vitest';
import { ok } from '../../protocol/errors.ts';
import type { Tracer } from '../ports.ts';
import { TestNodes } from './testNodes.ts';

const TRACE = `00-${'1'.repeat(32)}-${'1'.repeat(16)}-01`;

/** Each span is named by its number in the row. */
function noting() {
  const spans: { name: string; under: unknown; ended: (string | undefined)[] }[] = [];
  const tracer: Tracer = {
    begin: () => {
      throw new Error('a trace begins at a door');
    },
    record: (name, under) => {
      if (!under) return null;
      const ended: (string | undefined)[] = [];
      spans.push({ name, under, ended });
      return { trace: `span ${spans.length}`, set() {}, end: failure => ended.push(failure) };
    },
  };
  return { spans, tracer };
}

it('an ask over two nodes is a chain of hops and turns', async () => {
  const { spans, tracer } = noting();
  const town = new TestNodes({ nodes: 3, tracer });
  const [second, third] = [town.actorOn(town.node(2)), town.actorOn(town.node(3))];
  const relay = { type: 'relay', to: third, message: { type: 'add', n: 7 } } as const;
  const answers = town.node(1).ask(second, relay, { trace: TRACE });
  await town.time.advance(100);
  expect(answers).toEqual([ok(1)]);
  expect(spans).toEqual([
    { name: 'hop', under: TRACE, ended: [undefined] },
    { name: 'turn user', under: 'span 1', ended: [undefined] },
    { name: 'hop', under: 'span 2', ended: [undefined] },
    { name: 'turn user', under: 'span 3', ended: [undefined] },
  ]);
});

it('a hop without an answer ends when its asker gives up; without a trace there is none', async () => {
  const { spans, tracer } = noting();
  const town = new TestNodes({ nodes: 2, tracer });
  const actor = town.actorOn(town.node(2));
  town.node(1).ask(actor, { type: 'hold' }, { trace: TRACE });
  town.node(1).ask(actor, { type: 'read' });
  await town.time.advance(10_000);
  expect(spans.map(({ name, ended }) => [name, ended])).toEqual([
    ['hop', ['timeout']],
    ['turn user', [undefined]],
  ]);
});
