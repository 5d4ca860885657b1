import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { Random } from '../swarm/random.ts';
import { readArguments } from './arguments.ts';
import { campaignOf } from './campaign.ts';
import { FAULTS } from './faults/index.ts';
import { CHECKERS } from './judge.ts';
import type { RunVerdict } from './run.ts';
import { schedule } from './schedule.ts';
import { ANCIENT_MESSAGES, NatsFrames, type Repeats } from './wires/natsFrames.ts';

describe('the schedule of faults', () => {
  const firstOf = (seed: number, count: number): string[] => {
    const plan = schedule(FAULTS, new Random(seed));
    return Array.from({ length: count }, () => plan.next().value).map(
      ({ n, fault, afterMs }) => `${n} ${fault.name} ${afterMs}`,
    );
  };

  it('is the same for one seed and another for another', () => {
    expect(firstOf(1, 50)).toEqual(firstOf(1, 50));
    expect(firstOf(1, 50)).not.toEqual(firstOf(2, 50));
  });

  it('has every fault once before any comes twice, and each as often as it weighs', () => {
    const rounds = FAULTS.reduce((sum, fault) => sum + fault.weight, 0);
    const names = firstOf(3, rounds).map(line => line.split(' ')[1]!);
    expect(new Set(names.slice(0, FAULTS.length)).size).toBe(FAULTS.length);
    for (const fault of FAULTS)
      expect(
        names.filter(name => name === fault.name),
        fault.name,
      ).toHaveLength(fault.weight);
  });

  it('has as many faults as the pages say', () => {
    for (const page of ['../../README.md', '../README.md']) {
      const text = readFileSync(new URL(page, import.meta.url), 'utf8');
      const said = [...text.matchAll(/(\S+) (?:kinds of faults|ways\b)/g)].map(([, count]) => count);
      expect(new Set(said), page).toEqual(new Set([String(FAULTS.length)]));
    }
  });

  it('has the faults and the checkers that the catalogue of README.md has, each in its row', () => {
    const page = readFileSync(new URL('./README.md', import.meta.url), 'utf8');
    const namesIn = (cell: string): string[] => [...cell.matchAll(/`([^`]+)`/g)].map(([, name]) => name!);
    const rows = [...page.matchAll(/^\| (\d+[abc]?) \| (.+?) \|/gm)];
    const promises = [...page.matchAll(/^\| I\d+ \| .+ \| (.+?) \|$/gm)];
    expect(rows.flatMap(([, row, names]) => namesIn(names!).map(name => `${row} ${name}`)).sort()).toEqual(
      FAULTS.map(({ row, name }) => `${row} ${name}`).sort(),
    );
    expect(promises).toHaveLength(12);
    expect(promises.flatMap(([, names]) => namesIn(names!)).sort()).toEqual(Object.keys(CHECKERS).sort());
  });
});

describe('several runs', () => {
  const run = (seed: number, hits: number, verdict: 'pass' | 'fail') =>
    ({
      ...{
        seed,
        verdict,
        lost: 0,
        doubled: 0,
        stale_rejected: 2,
        stale_accepted: 0,
        disagree: 0,
        illegal: 0,
      },
      ...{ faults: { kill: hits }, ops: { attempted: 5, acked: 4, failed: 1, unknown: 0 } },
      ...{ resume_p50_s: null, resume_p99_s: seed, ghosts: 0, overlap_ms_max: seed, starved: false },
    }) as unknown as RunVerdict;

  it('are one answer: who failed, the worst time, and which faults came too seldom', () => {
    const faults = FAULTS.filter(one => one.name === 'kill' || one.name === 'pause');
    const all = campaignOf(7, faults, [run(7, 2, 'pass'), run(8, 1, 'fail')]);
    expect(all).toMatchObject({ runs: 2, failed: [8], faults: { kill: 3, pause: 0 }, seldom: ['pause'] });
    expect(all).toMatchObject({ stale_rejected: 4, resume_p99_s: 8, overlap_ms_max: 8, verdict: 'fail' });
    expect(campaignOf(7, faults, [run(7, 2, 'pass')]).verdict).toBe('pass');
  });

  it('fail as a whole when a fault was hardly tried, or nobody stale was refused', () => {
    const often = Object.fromEntries(FAULTS.map(({ name }) => [name, 1]));
    const ten = (change: Partial<RunVerdict>, last: Partial<RunVerdict> = change): RunVerdict[] =>
      Array.from({ length: 10 }, (_, i) => ({
        ...run(i, 1, 'pass'),
        faults: often,
        ...(i < 9 ? change : last),
      }));
    expect(campaignOf(0, FAULTS, ten({})).verdict).toBe('pass');
    expect(campaignOf(0, FAULTS, ten({ stale_rejected: 0 })).verdict).toBe('fail');
    expect(campaignOf(0, FAULTS, ten({ stale_rejected: 0 }, { stale_rejected: 1 })).verdict).toBe('pass');
    const withoutKill = campaignOf(0, FAULTS, ten({ faults: { ...often, kill: 0 } }));
    expect(withoutKill).toMatchObject({ seldom: ['kill'], verdict: 'fail' });
  });
});

describe('what NATS delivers', () => {
  const message = (subject: string, n: number): string => {
    const payload = `payload ${n}\r\nMSG hb.n.x 1 3\r\n`;
    return `MSG ${subject} 7 ${Buffer.byteLength(payload)}\r\n${payload}\r\n`;
  };
  const spoken = [
    'INFO {"server_name":"x"}\r\n',
    'PING\r\n+OK\r\n',
    ...Array.from({ length: 600 }, (_, n) => message(n % 2 === 0 ? 'hb.n.n1.abc' : '_INBOX.q.1', n)),
    'HMSG hb.g.x 1 reply 12 17\r\nNATS/1.0\r\n\r\nhello\r\n',
  ];
  const through = (share: number, pieceBytes: number): { text: string; repeats: Repeats } => {
    const repeats = { share, doubled: 0, replayed: 0 };
    const frames = new NatsFrames(repeats, new Random(5));
    const all = Buffer.from(spoken.join(''));
    const out: Buffer[] = [];
    for (let at = 0; at < all.length; at += pieceBytes)
      out.push(Buffer.from(frames.take(all.subarray(at, at + pieceBytes))));
    return { text: Buffer.concat(out).toString(), repeats };
  };

  it('passes as it is without a share, in whatever pieces it comes', () => {
    for (const piece of [1, 7, 100_000]) expect(through(0, piece).text).toBe(spoken.join(''));
  });

  it('says messages between nodes twice and later, whole, and no others', () => {
    const { text, repeats } = through(0.5, 13);
    expect(repeats.doubled).toBeGreaterThan(20);
    expect(repeats.replayed).toBeGreaterThan(0);
    for (const frame of spoken) {
      const times = text.split(frame).length - 1;
      if (/^H?MSG hb/.test(frame)) expect(times).toBeGreaterThanOrEqual(1);
      else expect(times, frame).toBe(1);
    }
  });
});

describe('what NATS says much later', () => {
  it('comes when no link remembers it, also after everything is healed', () => {
    const frame = (n: number): Buffer => Buffer.from(`MSG hb.n.n1.abc 7 ${String(n).length}\r\n${n}\r\n`);
    const repeats: Repeats = { share: 1, doubled: 0, replayed: 0 };
    const frames = new NatsFrames(repeats, new Random(11));
    for (let n = 0; n < 100; n++) frames.take(frame(n));
    repeats.share = 0;
    let latest = 0;
    for (let n = 100; n < 2 * ANCIENT_MESSAGES; n++) {
      const out = frames.take(frame(n));
      if (out.length > frame(n).length) latest = n;
    }
    expect(latest).toBeGreaterThanOrEqual(ANCIENT_MESSAGES);
    expect(latest).toBeLessThan(ANCIENT_MESSAGES + 100);
  });
});

describe('arguments of chaos', () => {
  it('have defaults, and one sentence for each that is wrong', () => {
    expect(readArguments([])).toMatchObject({ minutes: 2, nodes: 3, target: 'processes', faults: FAULTS });
    expect(readArguments(['--help'])).toBeNull();
    expect(readArguments(['--faults', 'kill,pause'])).toMatchObject({
      faults: [{ name: 'kill' }, { name: 'pause' }],
    });
    for (const wrong of [
      ['--faults', 'nothing'],
      ['--minutes', '-1'],
      ['--minutes', 'x'],
      ['--nodes', '2'],
      ['--seed', '1.5'],
      ['--runs', '0'],
      ['--target', 'cloud'],
      ['--target', 'kubernetes', '--mutants'],
      ['--target', 'kubernetes', '--nodes', '5'],
      ['--what'],
    ])
      expect(readArguments(wrong), wrong.join(' ')).toMatch(/^[^\n]+\.$/);
  });
});
