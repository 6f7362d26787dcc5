import { crashSuite } from './crash-suite.ts'

crashSuite('host', { randomCount: 80 })
