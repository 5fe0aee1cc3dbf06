import { chinese } from './zh.ts'
import { english } from './en.ts'
import { french } from './fr.ts'
import { german } from './de.ts'
import { japanese } from './ja.ts'
import type { Language } from './language.ts'
import { portuguese } from './pt.ts'
import { spanish } from './es.ts'

/** What the population speaks; a language that is listed twice is twice as common. */
export const languages: readonly [Language, ...Language[]] = [
  english,
  english,
  english,
  chinese,
  chinese,
  spanish,
  german,
  french,
  portuguese,
  japanese,
]
