/** A machine of the town with a real node on it: killed, drained, cut off from the others, one thing at a time. */
import { setTimeout as pause } from 'node:timers/promises';
import type { ClusterNode } from '../../swarm/clusterTown.ts';

const READY_POLL_MS = 20;
const START_ATTEMPTS = 3;

export class Station {
  readonly node: ClusterNode;
  /** It is being started or ended. */
  isBusy = false;
  isCut = false;
  /** The node itself said that it takes nobody any more; null while it may. */
  leavingMs: number | null = null;

  constructor(node: ClusterNode) {
    this.node = node;
  }

  get url(): string {
    return this.node.urls.realtime;
  }

  /** Nothing happens to it now. */
  get isWell(): boolean {
    return this.node.isRunning && !this.isBusy && !this.isCut;
  }

  start(): Promise<void> {
    return this.#during(() => this.#start());
  }

  /** SIGKILL; again after so long. */
  killFor(ms: number): Promise<void> {
    return this.#during(async () => {
      await this.node.kill();
      await pause(ms);
      await this.#start();
    });
  }

  /** SIGTERM. @throws Error when it does not end as promised */
  drain(): Promise<void> {
    return this.#during(async () => {
      let gone = false;
      const ended = this.node.drain().finally(() => {
        gone = true;
      });
      while (!gone && (await this.#isReady())) await pause(READY_POLL_MS);
      this.leavingMs = performance.now();
      const { words } = await ended;
      if (words !== 'ended with code 0') throw new Error(`${this.node.id} was drained and ${words}`);
    });
  }

  async drainFor(ms: number): Promise<void> {
    await this.drain();
    await this.#during(async () => {
      await pause(ms);
      await this.#start();
    });
  }

  cut(): void {
    this.isCut = true;
    this.node.wires.nats.drop();
  }

  heal(): void {
    this.isCut = false;
    void this.node.wires.nats.heal();
  }

  async #start(): Promise<void> {
    this.leavingMs = null;
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.node.start();
      } catch (error) {
        if (attempt === START_ATTEMPTS) throw error;
      }
    }
  }

  async #during(work: () => Promise<void>): Promise<void> {
    this.isBusy = true;
    try {
      await work();
    } finally {
      this.isBusy = false;
    }
  }

  #isReady(): Promise<boolean> {
    return fetch(`${this.node.urls.admin}/readyz`, { signal: AbortSignal.timeout(1_000) }).then(
      answer => answer.ok,
      () => true,
    );
  }
}
