/** What the client asks the doors of giving, and that a repeat of it carries the key that it was given. */
import { expect, test } from 'vitest';
import { restClient } from './index.ts';

interface Asked {
  readonly line: string;
  readonly key: string | null;
  readonly body: unknown;
}

test('each method asks its door, with a key where points move', async () => {
  const asked: Asked[] = [];
  const rest = restClient('http://town', async (input, init) => {
    const headers = new Headers(init?.headers);
    const body = init?.body === undefined ? null : JSON.parse(String(init.body));
    asked.push({ line: `${init?.method} ${String(input)}`, key: headers.get('idempotency-key'), body });
    return new Response('{}', { status: 200 });
  });
  const part = { userId: 'u', points: 5 };
  const fee = { kind: 'fee', title: 'Parking', points: 5 } as const;
  await rest.donate('t', [part], 'k1');
  await rest.giveAway('t', part, 'k2');
  await rest.payFee('t', 'f', 'k3');
  await rest.publishFee('t', fee, 'k4');
  await rest.withdrawFee('t', 'f');
  await rest.fees('t', { limit: 5 });
  await rest.beneficiaries('charities', { after: 'x' });
  expect(asked).toEqual([
    { line: 'POST http://town/v1/donations', key: 'k1', body: { to: [part] } },
    { line: 'POST http://town/v1/giveaways', key: 'k2', body: part },
    { line: 'POST http://town/v1/fees/f/payments', key: 'k3', body: null },
    { line: 'POST http://town/v1/fees', key: 'k4', body: fee },
    { line: 'POST http://town/v1/fees/f/withdraw', key: null, body: null },
    { line: 'GET http://town/v1/fees?limit=5', key: null, body: null },
    { line: 'GET http://town/v1/catalogs/charities?after=x', key: null, body: null },
  ]);
  await rest.donate('t', [part]);
  await rest.donate('t', [part]);
  const fresh = asked.slice(-2).map(one => one.key);
  expect(new Set(fresh).size).toBe(2);
});
