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
