/** DynamoDB and Kinesis as they are on a bad day, in front of the real ones: throttled in part, silent, gone, forgetful. */
import { type Behaviour, type FaultyProxy, faultyProxy } from '../../../infra/outbox/faultyProxy.ts';
import type { Random } from '../../swarm/random.ts';
import type { CloudBehaviour } from '../target.ts';

const TOO_MUCH = 'ProvisionedThroughputExceededException';
const WHOLE_REFUSED = 0.3;
const RECORD_REFUSED = 0.3;

interface PutRecords {
  readonly Records: readonly object[];
}

export class Cloud {
  readonly dynamodb: FaultyProxy;
  readonly kinesis: FaultyProxy;
  readonly #random: Random;
  #counts = { throttled: 0, recordsRefused: 0, unanswered: 0, answersLost: 0 };

  private constructor(dynamodb: FaultyProxy, kinesis: FaultyProxy, random: Random) {
    this.dynamodb = dynamodb;
    this.kinesis = kinesis;
    this.#random = random;
  }

  static async open(urls: { dynamodb: string; kinesis: string }, random: Random): Promise<Cloud> {
    return new Cloud(await faultyProxy(urls.dynamodb), await faultyProxy(urls.kinesis), random);
  }

  /** From now on; what the behaviour until now did. */
  behave(behaviour: CloudBehaviour): Readonly<Record<string, number>> {
    const calls = this.dynamodb.calls.length + this.kinesis.calls.length;
    const { throttled, recordsRefused, unanswered, answersLost } = this.#counts;
    const done = { calls, throttled, recordsRefused, unanswered, answersLost };
    this.#counts = { throttled: 0, recordsRefused: 0, unanswered: 0, answersLost: 0 };
    this.dynamodb.calls.length = 0;
    this.kinesis.calls.length = 0;
    for (const proxy of [this.dynamodb, this.kinesis]) proxy.behaviour = this.#make(behaviour);
    return Object.fromEntries(Object.entries(done).filter(([, count]) => count > 0));
  }

  #make(behaviour: CloudBehaviour): Behaviour {
    switch (behaviour) {
      case 'pass':
        return 'pass';
      case 'throttle':
        return (call, pass) => this.#throttle(call, pass);
      case 'outage':
        // silent or refusing: a client has to survive both
        return () => {
          this.#counts.unanswered++;
          if (this.#random.below(2) === 0) return new Promise(() => {});
          return Promise.reject(new Error('away'));
        };
      case 'loseAnswers':
        return async ({ body }, pass) => {
          const answer = await pass(body);
          if (this.#random.below(2) === 0) return answer;
          this.#counts.answersLost++;
          throw new Error('the answer is lost');
        };
    }
  }

  async #throttle(
    { action, body }: { readonly action: string; readonly body: string },
    pass: (body: string) => Promise<{ status: number; body: string }>,
  ): Promise<{ status: number; body: string }> {
    if (this.#random.unit() < WHOLE_REFUSED) {
      this.#counts.throttled++;
      return { status: 400, body: JSON.stringify({ __type: TOO_MUCH, message: 'slow down' }) };
    }
    if (action !== 'PutRecords') return pass(body);
    const request = JSON.parse(body) as PutRecords;
    const taken = request.Records.map(() => this.#random.unit() >= RECORD_REFUSED);
    const refused = taken.filter(one => !one).length;
    if (refused === 0) return pass(body);
    this.#counts.recordsRefused += refused;
    const Records = request.Records.filter((_, i) => taken[i]);
    let answers: object[] = [];
    if (Records.length > 0) {
      const passed = await pass(JSON.stringify({ ...request, Records }));
      if (passed.status !== 200) return passed;
      answers = (JSON.parse(passed.body) as { Records: object[] }).Records;
    }
    const all = taken.map(one =>
      one ? answers.shift() : { ErrorCode: TOO_MUCH, ErrorMessage: 'slow down' },
    );
    return { status: 200, body: JSON.stringify({ FailedRecordCount: refused, Records: all }) };
  }

  async close(): Promise<void> {
    await Promise.all([this.dynamodb.close(), this.kinesis.close()]);
  }
}
