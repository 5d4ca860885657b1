/**
 * Settings that come as files, one a setting, as Kubernetes and Vault put secrets into a container: a file `DATABASE_URL`
 * in `HEYBLUE_SECRETS_DIR` holds what the variable would. A secret in the environment is seen by everybody who may look at
 * the process or the pod, and cannot be renewed while it runs. Files with other names (`nats.creds`) are for the settings
 * that name a file.
 */
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';

/** Longer than any URL with a password in it. */
const FILE_BYTES_MAX = 65_536;
/** What a setting looks like; anything else in the folder is none of ours. */
const LIKE_A_SETTING = /^[A-Z][A-Z0-9_]*$/;

export type SecretFiles =
  | { readonly ok: true; readonly values: Readonly<Record<string, string>> }
  | { readonly ok: false; readonly sentence: string };

const no = (sentence: string): SecretFiles => ({ ok: false, sentence });

/**
 * What the files of this folder say, by the names of their settings. Line ends around a value are not part of it.
 *
 * @param isSetting whether there is a setting of this name: a file with a name that is mistyped stops the start
 */
export function readSecretFiles(folder: string, isSetting: (name: string) => boolean): SecretFiles {
  const values: Record<string, string> = {};
  try {
    // Kubernetes puts folders of its own beside the files (`..data`)
    for (const name of readdirSync(folder).filter(one => LIKE_A_SETTING.test(one))) {
      const path = join(folder, name);
      const stat = statSync(path);
      if (!stat.isFile()) continue;
      if (!isSetting(name))
        return no(`HEYBLUE_SECRETS_DIR has a file ${name}, and there is no such setting.`);
      if (stat.size > FILE_BYTES_MAX)
        return no(`The file ${name} in HEYBLUE_SECRETS_DIR is too long for a secret.`);
      values[name] = readFileSync(path, 'utf8').trim();
    }
  } catch (error) {
    const { code = 'unreadable' } = error as NodeJS.ErrnoException;
    return no(`HEYBLUE_SECRETS_DIR "${folder}" cannot be read (${code}).`);
  }
  return { ok: true, values };
}
