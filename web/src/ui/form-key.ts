import { useState } from 'react'

/**
 * The `key` of a form about something that has versions: it begins anew when somebody else has changed that, and stays, with its focus
 * and its words, after its own save, which tells `keep` of the version that it made.
 */
export function useFormKey(version: number): { readonly key: number; readonly keep: (saved: number) => void } {
  const [{ key, known }, setShown] = useState({ key: version, known: version })
  // Below what is known is what the cache has until it hears of the save.
  if (version > known) setShown({ key: version, known: version })
  return { key, keep: (saved) => setShown({ key, known: saved }) }
}
