/* SPDX-License-Identifier: GPL-2.0 */
/* What a hostile peer does: see hostile.c. */
#ifndef HOSTILE_CASES_H
#define HOSTILE_CASES_H

#include "hostile.h"

enum fate { LIVES, CONN, GROUP, REFUSED, PLAIN, ANY };

struct scenario {
	const char *name;
	enum fate fate;
	/* Does it, to a connection that is up. */
	void (*attack)(struct conn *c);
	/* What is wrong in the Proposal, and in the Confirm (or Accept). */
	change proposal, confirm;
	/* ... of the second connection. */
	int later;
	/* SMC v2.0, where both ends of a group may have more than one link. */
	int v20;
	/* Does all of it: whether it ended as it should. */
	int (*alone)(struct conn *c);
};

/* Each ends with a scenario without a name. */
extern const struct scenario cdc_scenarios[], llc_scenarios[], clc_scenarios[];

/* Whether the end of a handshake is told, by TCP or a Decline, in that time. */
int is_told(struct conn *c, int ms);

#endif
