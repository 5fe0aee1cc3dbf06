import { PermanentError } from '../../errors.ts'
import { handlerChanged } from '../ledger/item-steps/recorded.ts'

/** The handler is not the one that the item began with: it fails as it stands, and goes on when that one is back. */
export class HandlerChanged extends PermanentError {
  override name = handlerChanged
}

/** The author has used the tools as they cannot be used: no handler may go on from that. */
export class Misuse extends PermanentError {
  override name = 'HandlerMisuse'
}

export const isMisuse = ({ name }: { name: string }): boolean => name === new Misuse().name

/** @param unknown what the handler asks for instead; left out: it has come to its end. */
export function lostStep(lost: string, unknown?: string): HandlerChanged {
  const instead = unknown === undefined ? 'ends without it' : `asks for ${unknown} instead, or before it`
  return new HandlerChanged(
    `${lost} was done, and the handler ${instead}: a changed one needs a new version, and may not ask for other steps each time it runs`,
  )
}
