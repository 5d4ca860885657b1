/** Our own client in a browser: the page of the kit hears and says through two functions of its window. */
import { browserStorage } from '../../client/index.ts';
import { app, type Instruction } from './app.ts';

interface KitWindow {
  /** Given by the kit. */
  say(report: string): void;
  begin?(url: string): void;
  hear?(instruction: Instruction): void;
}

const kit = globalThis as unknown as KitWindow;
kit.begin = url => {
  kit.hear = app({
    url,
    say: report => kit.say(JSON.stringify(report)),
    storage: browserStorage('heyblue:kit'),
  });
};
