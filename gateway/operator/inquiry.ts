/**
 * Asking every gateway about a person: their sockets may hang anywhere, and nobody keeps a list of them. The question goes
 * to all over the bus and to this one directly; each other gateway answers on a subject of the one that asked. Who does
 * not answer in time is missed, and the operator is told how many were. A gateway that is alone asks itself.
 *
 * Whoever may speak on the bus is a node of ours (the same holds for messages of actors); still, what does not read as a
 * question or an answer to one that is open is refused and counted, and a flood of questions waits for nobody.
 */
import { randomUUID } from 'node:crypto';
import type { Bus, Log, Metrics } from '../../nodes/ports.ts';
import { OPERATOR } from './limits.ts';
import type { Asked, Local } from './local.ts';
import { type AnswerTo, type Ask, answerTo, encodeWords, readQuestion, readReply } from './words.ts';

export interface InquiryOptions {
  /** Null for a gateway that is alone. */
  readonly bus: Bus | null;
  /** Where the gateways of one town ask each other. */
  readonly subject: string;
  readonly gatewayId: string;
  /** How many other nodes there are. */
  readonly others: () => number;
  readonly local: Pick<Local, 'answer'>;
  readonly log: Log;
  readonly metrics: Metrics;
}

export interface Gathered<A extends Ask> {
  /** By gateway. */
  readonly answers: readonly { readonly gateway: string; readonly answer: AnswerTo<A> }[];
  /** Gateways that were asked, and that answered in time. */
  readonly asked: number;
  readonly answered: number;
}

interface Open {
  readonly ask: Ask;
  readonly answers: Map<string, AnswerTo<Ask>>;
  readonly look: () => void;
}

/** Where the gateways of a cluster ask each other. */
export const operatorSubject = (cluster: string): string => `hb.o.${cluster}`;

export class Inquiry {
  readonly #options: InquiryOptions;
  readonly #open = new Map<string, Open>();
  readonly #silence: (() => void)[] = [];
  /** Questions of others that are worked on. */
  #working = 0;

  constructor(options: InquiryOptions) {
    this.#options = options;
  }

  start(): void {
    const { bus, subject, gatewayId } = this.#options;
    if (bus === null) return;
    this.#silence.push(bus.subscribe(subject, bytes => this.#questioned(bytes)));
    this.#silence.push(bus.subscribe(`${subject}.${gatewayId}`, bytes => this.#answered(bytes)));
  }

  stop(): void {
    for (const silence of this.#silence.splice(0)) silence();
  }

  /** Asks all; resolves when every one has answered, or after `waitMs`. */
  async ask<A extends Ask>(question: Asked & { readonly ask: A }, waitMs: number): Promise<Gathered<A>> {
    const { bus, subject, gatewayId, local } = this.#options;
    const others = bus === null ? 0 : this.#options.others();
    const id = randomUUID();
    const answers = new Map<string, AnswerTo<Ask>>();
    const all = new Promise<void>(resolve => {
      const late = setTimeout(resolve, waitMs);
      const look = (): void => {
        if (answers.size <= others) return;
        clearTimeout(late);
        resolve();
      };
      this.#open.set(id, { ask: question.ask, answers, look });
    });
    bus?.publish(subject, encodeWords({ id, from: gatewayId, ...question }));
    const own = Promise.resolve(local.answer(question)).then(answer => {
      answers.set(gatewayId, answer);
      this.#open.get(id)?.look();
    });
    try {
      await Promise.all([all, own]);
    } finally {
      this.#open.delete(id);
    }
    return {
      answers: [...answers].map(([gateway, answer]) => ({ gateway, answer: answer as AnswerTo<A> })),
      asked: Math.max(others + 1, answers.size),
      answered: answers.size,
    };
  }

  /** Tells all others without waiting for what they say. */
  tell(question: Asked): void {
    const { bus, subject, gatewayId } = this.#options;
    bus?.publish(subject, encodeWords({ id: randomUUID(), from: gatewayId, ...question }));
  }

  #questioned(bytes: Uint8Array): void {
    const { gatewayId, local, log } = this.#options;
    const question = readQuestion(bytes);
    if (question === null) return this.#refused('question');
    if (question.from === gatewayId) return;
    if (this.#working >= OPERATOR.questions) return this.#refused('busy');
    this.#working++;
    const { v: _, id, from, ...asked } = question;
    Promise.resolve(local.answer(asked))
      .then(
        answer => this.#reply(id, from, answer),
        error => log.error({ err: error }, 'a question of an operator was not answered'),
      )
      .finally(() => {
        this.#working--;
      });
  }

  #reply(id: string, to: string, answer: AnswerTo<Ask>): void {
    const { bus, subject, gatewayId } = this.#options;
    bus?.publish(`${subject}.${to}`, encodeWords({ id, from: gatewayId, answer }));
  }

  #answered(bytes: Uint8Array): void {
    const reply = readReply(bytes);
    if (reply === null || reply.from === this.#options.gatewayId) return this.#refused('answer');
    const open = this.#open.get(reply.id);
    // nobody waits for it any more: it came late, and `tell` waits for none
    if (open === undefined) return;
    const answer = answerTo(open.ask, reply.answer);
    const fits = answer !== null && open.answers.size < OPERATOR.gateways;
    if (!fits) return this.#refused('answer');
    open.answers.set(reply.from, answer);
    open.look();
  }

  #refused(what: 'question' | 'answer' | 'busy'): void {
    this.#options.metrics.count('rt_operator_words_refused_total', { what });
    if (what !== 'busy') this.#options.log.warn({ what }, 'another node said what is no word of a gateway');
  }
}
