/** The one mistake at start that everybody makes once: the port is taken. One sentence says what to do. */
export class PortInUse extends Error {
  readonly port: number;
  /** Name of the setting that changes the port. */
  readonly setting: string;
  constructor(host: string, port: number, setting: string) {
    super(
      `Port ${port} on ${host} is already in use or may not be opened: stop what uses it, or choose another with ${setting}.`,
    );
    this.name = 'PortInUse';
    this.port = port;
    this.setting = setting;
  }
}

/** The host to listen on is not one of this machine. */
export class HostUnknown extends Error {
  constructor(host: string) {
    super(`${host} is not an address of this machine: choose another with HEYBLUE_HOST.`);
    this.name = 'HostUnknown';
  }
}

/** Codes of a listen that failed because of its address. */
const NOT_OURS = new Set(['ENOTFOUND', 'EADDRNOTAVAIL', 'EAI_AGAIN', 'EINVAL']);

/** The sentence for a listen that failed, or the error itself when it is none of these mistakes. */
export const listenProblem = (error: unknown, host: string, port: number, setting: string): unknown => {
  const code = (error as NodeJS.ErrnoException).code ?? '';
  if (code === 'EADDRINUSE' || code === 'EACCES') return new PortInUse(host, port, setting);
  return NOT_OURS.has(code) ? new HostUnknown(host) : error;
};
