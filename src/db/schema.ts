/** Every table. The product's own (users …) are what populations are made of; the rest is the ledger. */
export * from './schema-ledger.ts'
export * from './schema-product.ts'
