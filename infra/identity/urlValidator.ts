/**
 * Asks a service of the department: POST `{"kind", "badge"}`, answered by `{"valid": true|false, "reason"?}`.
 *
 * A service that is slow, away or talks nonsense proves nothing about a badge: the sign-up is told to try again (503).
 */
import type { IdValidator, Log } from '../../nodes/ports.ts';
import type { AccountKind } from '../../protocol/catalogue.ts';
import { ERROR, ok, type Result, refuse } from '../../protocol/errors.ts';

const TIMEOUT_MS = 3_000;
const ANSWER_BYTES_MAX = 65_536;
const RETRY_AFTER_MS = 5_000;

const away = () => refuse(ERROR.unavailable, 'the badge cannot be checked now, try again', RETRY_AFTER_MS);

export class UrlValidator implements IdValidator {
  readonly #url: string;
  readonly #log: Log;
  readonly #timeoutMs: number;

  constructor(url: string, log: Log, timeoutMs = TIMEOUT_MS) {
    this.#url = url;
    this.#log = log;
    this.#timeoutMs = timeoutMs;
  }

  async validate(kind: AccountKind, evidence: { readonly badge: string | null }): Promise<Result<true>> {
    if (kind !== 'officer') return ok(true);
    if (evidence.badge === null) return refuse(ERROR.invalid, 'an officer needs a badge number');
    try {
      const answer = await this.#ask({ kind, badge: evidence.badge });
      if (typeof answer.valid !== 'boolean') throw new Error('the answer has no `valid`');
      return answer.valid ? ok(true) : refuse(ERROR.forbidden, 'this badge number was not confirmed');
    } catch (error) {
      this.#log.warn({ error: (error as Error).message }, 'the badge service cannot be asked');
      return away();
    }
  }

  async #ask(body: object): Promise<{ valid?: unknown }> {
    const response = await fetch(this.#url, {
      method: 'POST',
      headers: { 'content-type': 'application/json', accept: 'application/json' },
      body: JSON.stringify(body),
      redirect: 'error',
      signal: AbortSignal.timeout(this.#timeoutMs),
    });
    const text = await readBounded(response);
    if (response.status !== 200) throw new Error(`status ${response.status}`);
    return JSON.parse(text) as { valid?: unknown };
  }
}

async function readBounded(response: Response): Promise<string> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of response.body ?? []) {
    bytes += (chunk as Uint8Array).length;
    if (bytes > ANSWER_BYTES_MAX) throw new Error('the answer is too long');
    chunks.push(chunk as Uint8Array);
  }
  return Buffer.concat(chunks).toString('utf8');
}
