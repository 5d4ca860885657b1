/**
 * One of the town's pods as chaos and its load see it: addresses that stay, whichever pod stands behind them. A pod that
 * is gone does not come back; the Deployment makes another one, and that takes its place here.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { signal } from '../../../infra/embedded/processes.ts';
import type { NodeUrls } from '../../../infra/embedded/town.ts';
import type { ClusterView } from '../../../nodes/ports.ts';
import { type ControlPlane, kubectlArgs } from '../../cluster/controlPlane.ts';
import type { Daemons } from '../../cluster/daemons.ts';
import { NAMESPACE, type Pod } from '../../cluster/town.ts';
import { layWire, type Wire } from '../../swarm/wire.ts';
import type { ChaosNode } from '../target.ts';

const REST = 8080;
const REALTIME = 8081;
/** On the loopback of the pod only: kubectl forwards it. */
const ADMIN = 9090;
const ASK_MS_MAX = 2_000;
const FORWARD_MS_MAX = 20_000;
/** Nobody is there. */
const NOWHERE = 'http://127.0.0.1:9';

export class PodNode implements ChaosNode {
  readonly urls: NodeUrls;
  readonly door: Wire;
  readonly #rest: Wire;
  readonly #admin: Wire;
  readonly #daemons: Daemons;
  readonly #plane: ControlPlane;
  #pod: Pod | null = null;
  #last = 'none';
  #forward: ChildProcess | null = null;

  private constructor(daemons: Daemons, plane: ControlPlane, rest: Wire, door: Wire, admin: Wire) {
    this.#daemons = daemons;
    this.#plane = plane;
    this.#rest = rest;
    this.door = door;
    this.#admin = admin;
    const plain = (url: string): string => url.replace(/\/$/, '');
    this.urls = { rest: plain(rest.url), realtime: door.url, admin: plain(admin.url) };
  }

  static async open(daemons: Daemons, plane: ControlPlane): Promise<PodNode> {
    const door = await layWire('ws://127.0.0.1:9/v1/ws');
    return new PodNode(daemons, plane, await layWire(NOWHERE), door, await layWire(NOWHERE));
  }

  /** Name of the pod, or of the last one: what nodes call each other. */
  get id(): string {
    return this.#last;
  }

  get isRunning(): boolean {
    return this.#pod !== null;
  }

  get pod(): Pod {
    if (this.#pod === null) throw new Error(`${this.#last} is gone`);
    return this.#pod;
  }

  /** This pod stands here from now on. */
  async take(pod: Pod): Promise<void> {
    this.#rest.lead(`http://${pod.address}:${REST}`);
    this.door.lead(`ws://${pod.address}:${REALTIME}/v1/ws`);
    this.#admin.lead(`http://127.0.0.1:${await this.#forwarded(pod)}`);
    this.#last = pod.name;
    this.#pod = pod;
  }

  /** The pod is gone, or about to go. */
  leave(): void {
    this.#pod = null;
    if (this.#forward?.pid !== undefined) signal(this.#forward.pid, 'SIGKILL');
    this.#forward = null;
  }

  metrics(): Promise<string | null> {
    return this.#asked('/metrics').then(answer => answer?.text() ?? null);
  }

  async view(): Promise<ClusterView | null> {
    const answer = await this.#asked('/admin/cluster');
    return answer?.ok ? ((await answer.json()) as ClusterView) : null;
  }

  async close(): Promise<void> {
    this.leave();
    await Promise.all([this.#rest.close(), this.door.close(), this.#admin.close()]);
  }

  #asked(path: string): Promise<Response | null> {
    return fetch(`${this.urls.admin}${path}`, { signal: AbortSignal.timeout(ASK_MS_MAX) }).catch(() => null);
  }

  /** The port of this machine at which the pod's own loopback answers. */
  #forwarded(pod: Pod): Promise<number> {
    this.leave();
    const args = ['-n', NAMESPACE, 'port-forward', `pod/${pod.name}`, `:${ADMIN}`, '--address=127.0.0.1'];
    const child = spawn('kubectl', kubectlArgs(this.#plane, ...args), {
      env: this.#daemons.tools.env,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.#forward = child;
    return new Promise((resolve, reject) => {
      let said = '';
      const late = setTimeout(() => signal(child.pid!, 'SIGKILL'), FORWARD_MS_MAX);
      const hear = (text: Buffer): void => {
        said += text;
        const port = /Forwarding from 127\.0\.0\.1:(\d+)/.exec(said)?.[1];
        if (port === undefined) return;
        clearTimeout(late);
        resolve(Number(port));
      };
      child.stdout.on('data', hear);
      child.stderr.on('data', hear);
      child.once('error', reject);
      child.once('exit', () => {
        clearTimeout(late);
        reject(new Error(`kubectl ${args.join(' ')}: ${said.trim()}`));
      });
    });
  }
}
