/** Whoever runs the machines: revokes through the admin port of any node, as operators do. */
import type { NodeUrls } from '../../../infra/embedded/town.ts';

const ACCOUNT = { handle: 'olga', password: 'correct horse' };
const TRY_MS = 10_000;

export class Operator {
  readonly #nodes: readonly NodeUrls[];
  #token = '';

  private constructor(nodes: readonly NodeUrls[]) {
    this.#nodes = nodes;
  }

  static async of(nodes: readonly NodeUrls[]): Promise<Operator> {
    const operator = new Operator(nodes);
    const made = await operator.#post(`${nodes[0]!.admin}/admin/operators`, ACCOUNT);
    if (!made?.ok) throw new Error(`no operator could be made: ${made?.status}`);
    return operator;
  }

  /** A fresh token. */
  async signIn(): Promise<void> {
    for (const { rest } of [...this.#nodes, ...this.#nodes]) {
      const answer = await this.#post(`${rest}/v1/signin`, { ...ACCOUNT, deviceId: 'console' });
      if (!answer?.ok) continue;
      this.#token = ((await answer.json()) as { accessToken: string }).accessToken;
      return;
    }
    throw new Error('the operator cannot sign in anywhere');
  }

  /** Whether it holds; a node that dies meanwhile says nothing. */
  async revoke(node: NodeUrls, what: 'users' | 'tokens', id: string): Promise<boolean> {
    const answer = await this.#post(`${node.admin}/admin/${what}/${id}/revoke`, {});
    return answer?.ok === true;
  }

  #post(url: string, body: object): Promise<Response | null> {
    return fetch(url, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        'heyblue-why': 'a test',
        ...(this.#token !== '' && { authorization: `Bearer ${this.#token}` }),
      },
      body: JSON.stringify(body),
      signal: AbortSignal.timeout(TRY_MS),
    }).catch(() => null);
  }
}
