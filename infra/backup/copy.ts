/**
 * PostgreSQL's COPY as a stream: the quickest way out of a table and into one, and the only one that keeps every value as it is.
 *
 * `pg` speaks the messages and leaves to us what becomes of them. `pg_dump` would do it too, but it comes with a server's
 * packages, not with npm, and one that is older than the server refuses.
 */
import { Readable } from 'node:stream';
import type pg from 'pg';

/** The part of pg's connection that COPY needs. */
interface Wire {
  readonly stream: {
    pause(): void;
    resume(): void;
    once(event: 'drain', then: () => void): void;
    writableNeedDrain: boolean;
  };
  query(text: string): void;
  sendCopyFromChunk(chunk: Uint8Array): void;
  sendCopyFail(why: string): void;
  endCopyFrom(): void;
}

/** What pg calls while our statement is the one under way. */
abstract class Copy {
  readonly text: string;
  /** Rows, when it is done. */
  readonly done: Promise<number>;
  protected rows = 0;
  protected settle!: { resolve(rows: number): void; reject(error: Error): void };
  constructor(text: string) {
    this.text = text;
    this.done = new Promise((resolve, reject) => {
      this.settle = { resolve, reject };
    });
    this.done.catch(() => {}); // whoever waits hears of it, whoever does not need not
  }
  submit(wire: unknown): void {
    (wire as Wire).query(this.text);
  }
  handleRowDescription(): void {}
  handleDataRow(): void {}
  handlePortalSuspended(): void {}
  handleEmptyQuery(): void {}
  handleCopyInResponse(wire: Wire): void {
    wire.sendCopyFail('nobody has anything to copy');
  }
  handleCopyData(_message: { chunk: Uint8Array }, _wire: Wire): void {}
  handleCommandComplete({ text }: { text: string }): void {
    this.rows = Number(/\d+$/.exec(text)?.[0] ?? 0);
  }
  handleReadyForQuery(): void {
    this.settle.resolve(this.rows);
  }
  handleError(error: Error): void {
    this.settle.reject(error);
  }
}

class CopyOut extends Copy {
  readonly out: Readable;
  #wire: Wire | null = null;
  constructor(text: string) {
    super(text);
    this.out = new Readable({ read: () => this.#wire?.stream.resume() });
  }
  override handleCopyData({ chunk }: { chunk: Uint8Array }, wire: Wire): void {
    this.#wire = wire;
    // the message is a view of a buffer that is used again
    if (!this.out.push(Buffer.from(chunk))) wire.stream.pause();
  }
  override handleReadyForQuery(): void {
    this.out.push(null);
    super.handleReadyForQuery();
  }
  override handleError(error: Error): void {
    this.out.destroy(error);
    super.handleError(error);
  }
}

class CopyIn extends Copy {
  readonly #from: AsyncIterable<Uint8Array>;
  #failed = false;
  constructor(text: string, from: AsyncIterable<Uint8Array>) {
    super(text);
    this.#from = from;
  }
  override handleCopyInResponse(wire: Wire): void {
    this.#feed(wire).catch(error => wire.sendCopyFail(String((error as Error).message)));
  }
  async #feed(wire: Wire): Promise<void> {
    for await (const chunk of this.#from) {
      if (this.#failed) return;
      wire.sendCopyFromChunk(chunk);
      if (wire.stream.writableNeedDrain) await new Promise<void>(go => wire.stream.once('drain', go));
    }
    if (!this.#failed) wire.endCopyFrom();
  }
  override handleError(error: Error): void {
    this.#failed = true;
    super.handleError(error);
  }
}

/** @param text `copy ... to stdout` */
export const copyOut = (
  client: pg.Client,
  text: string,
): { readonly out: Readable; readonly rows: Promise<number> } => {
  const copy = new CopyOut(text);
  client.query(copy);
  return { out: copy.out, rows: copy.done };
};

/**
 * @param text `copy ... from stdin`
 * @returns how many rows went in
 */
export const copyIn = (client: pg.Client, text: string, from: AsyncIterable<Uint8Array>): Promise<number> => {
  const copy = new CopyIn(text, from);
  client.query(copy);
  return copy.done;
};
