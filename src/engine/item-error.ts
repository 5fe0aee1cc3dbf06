import { sha256 } from '../digest.ts'
import { describeError } from '../errors.ts'

/** What went wrong with an item, as it is stored. */
export type ItemError = {
  name: string
  message: string
  /** Where it came from: a step's name, `run` when the run itself died. */
  step: string
  /** Equal for errors that differ only in ids, numbers and quoted parts. */
  fingerprint: string
}

/** Describes an error for the ledger: what it says, and which group it belongs to. */
export async function itemError(error: unknown, step: string, itemId: string): Promise<ItemError> {
  return await grouped({ ...describeError(error), step }, itemId)
}

/** An error that is described already, with the group it belongs to. */
export async function grouped(
  { name, message, step }: Omit<ItemError, 'fingerprint'>,
  itemId: string,
): Promise<ItemError> {
  const fingerprint = await sha256(JSON.stringify([step, name, normalised(message, itemId)]), 6)
  return { name, message, step, fingerprint }
}

/** The message without what differs from item to item: its id, numbers and words with digits, what is quoted. */
const normalised = (message: string, itemId: string): string =>
  message
    .replaceAll(new RegExp(`(?<!\\w)${RegExp.escape(itemId)}(?!\\w)`, 'g'), '#')
    .replaceAll(/"[^"]*"|(?<!\w)'[^']*'(?!\w)|`[^`]*`/g, '…')
    .replaceAll(/\b(?=\w*\d)[\w-]+\b/g, '#')
    .replaceAll(/\s+/g, ' ')
    .trim()
