/** A POST over REST that is said again under its key, to one node after another, until its outcome is certain. */
import { setTimeout as pause } from 'node:timers/promises';
import type { Random } from '../../swarm/random.ts';
import type { OpOutcome } from '../history.ts';
import type { ChaosNode } from '../target.ts';
import { REST_PAUSE_MS, REST_TRY_MS } from './limits.ts';

export interface Said {
  readonly outcome: OpOutcome;
  readonly body: Readonly<Record<string, unknown>> | null;
  readonly node: string | null;
  readonly tries: number;
  readonly why: string | null;
}

export interface Post {
  readonly path: string;
  readonly token: string;
  readonly key: string;
  readonly body?: object;
}

interface Answer {
  readonly status: number;
  readonly body: Record<string, unknown> | null;
}

const once = async (
  node: ChaosNode,
  { path, token, key, body }: Post,
  timeoutMs: number,
): Promise<Answer> => {
  const response = await fetch(`${node.urls.rest}${path}`, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${token}`,
      'idempotency-key': key,
      ...(body && { 'content-type': 'application/json' }),
    },
    ...(body && { body: JSON.stringify(body) }),
    signal: AbortSignal.timeout(Math.ceil(timeoutMs)),
  });
  const text = await response.text();
  return { status: response.status, body: text === '' ? null : (JSON.parse(text) as Answer['body']) };
};

/** Passing: to be said again. A 409 of a key that is under way is one of them, and says so itself. */
const isPassing = ({ status, body }: Answer): boolean => {
  const { retryable } = (body?.error ?? {}) as { retryable?: boolean };
  return status === 429 || status >= 500 || retryable === true;
};

export const postSurely = async (
  nodes: readonly ChaosNode[],
  random: Random,
  post: Post,
  deadlineMs: number,
): Promise<Said> => {
  const end = performance.now() + deadlineMs;
  /** A try without a certain answer may have happened. */
  let maybe = false;
  let tries = 0;
  let why: string | null = null;
  let at = random.below(nodes.length);
  for (;;) {
    const left = end - performance.now();
    if (left <= 0) return { outcome: 'unknown', body: null, node: null, tries, why };
    const node = nodes[at]!;
    tries++;
    try {
      const answer = await once(node, post, Math.min(REST_TRY_MS, left));
      const { status, body } = answer;
      if (status < 300) return { outcome: 'ok', body, node: node.id, tries, why: null };
      why = `${status} ${JSON.stringify(body)}`;
      if (!isPassing(answer)) return { outcome: maybe ? 'unknown' : 'fail', body, node: node.id, tries, why };
      if (status >= 500) maybe = true;
    } catch (error) {
      maybe = true;
      why = `${node.id}: ${(error as Error).message}`;
    }
    at = (at + 1) % nodes.length;
    await pause(Math.min(REST_PAUSE_MS * 2 ** Math.min(tries - 1, 3), Math.max(0, end - performance.now())));
  }
};
