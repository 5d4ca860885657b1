/**
 * Accounts that moved to another device a short while ago. Tokens are verified without a database, so the old device's
 * token would stay good until it expires; this list ends it at once. It is as long as the moves of one token life.
 *
 * It begins empty with each start of the node: a token that was issued before may belong to a move nobody here remembers,
 * and the store has to be asked about it. Sockets need not ask: their actor was read from the store.
 */
export class DeviceMoves {
  private readonly moves = new Map<string, { deviceId: string; untilMs: number }>();
  private readonly keepMs: number;

  private readonly sinceMs: number;

  /**
   * @param keepMs life of the longest token, milliseconds
   * @param sinceMs Unix milliseconds from which on every move is in this list
   */
  constructor(keepMs: number, sinceMs: number) {
    this.keepMs = keepMs;
    this.sinceMs = sinceMs;
  }

  /** Whether this list says all about a token issued then. */
  covers(issuedAtMs: number): boolean {
    return issuedAtMs >= this.sinceMs;
  }

  moved(userId: string, deviceId: string, wallMs: number): void {
    for (const [id, { untilMs }] of this.moves) {
      if (untilMs > wallMs) break;
      this.moves.delete(id);
    }
    this.moves.delete(userId);
    this.moves.set(userId, { deviceId, untilMs: wallMs + this.keepMs });
  }

  /** True when the account lives on another device now. */
  left(userId: string, deviceId: string): boolean {
    const move = this.moves.get(userId);
    return move !== undefined && move.deviceId !== deviceId;
  }
}
