# SPDX-License-Identifier: GPL-2.0
#
# The commands of a page of Documentation that say on which host they are: a literal
# block after a comment ".. on HOST".  Prints for each block a line "#block HOST", and
# the block.

function indent(line) { match(line, /^ */); return RLENGTH }

/^\.\. on (both|server|client)$/ { host = $3; next }
host && /^::$/ { block = 1; print "#block " host; host = ""; next }
block && NF && indent($0) < 4 { block = 0 }
block && NF { print substr($0, 5) }
host && NF { print "line " FNR ": no block after \".. on\"" > "/dev/stderr"; exit 1 }
