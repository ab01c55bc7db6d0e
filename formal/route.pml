/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Wishes, halves and routes: two edges, a hub, one service. Applications open and close their
 * endpoints at any time, links break and come back, edges and hub restart, and CREATE, CREATE_ACK and
 * DESTROY cross each other. Once it is quiet, ends that both exist are bound to each other, all others
 * know that they are not, and the hub remembers nothing of dead ones.
 *
 * Source: src/router/route.c: route_settle derive settle_side open_both open_half bind_half close_half close_left must_hear finish_ending end_side announce_later again_fired route_create route_ack route_destroy route_lost route_idle
 * Source: src/router/pair.c: pair_update end_session tell_next in_session is_ready on_bound on_unbound on_hello pair_ns pair_place close_control open_control route_ended
 * Source: src/router/edge.c: on_create answer_create take_up take_down close_control close_former on_unbound bind
 * Source: src/core/ns.c: on_create on_ack on_destroy ns_take_announcement ns_keep_announcement
 * Source: src/core/endpoint.c: say_hello look_for_peer schedule_again announce_again endpoint_device_up endpoint_device_down tell_end rpr_ept_bind rpr_ept_unbind
 *
 * Each endpoint, half and control endpoint has an address of its own, never used again. A link is a
 * pair of queues; when it breaks they are lost, and each end notices at a time of its own. A hub that
 * restarts is both links broken. That something is parked when its sender closes is chosen freely if
 * the sender has sent anything; then the end waits (`ending`).
 *
 * Abstracted: words leave at once (no full rings; a word that never left is in the unit tests of ns.c),
 * edges are of this project, allocation does not fail, timers fire at any time once they run, power,
 * forwarding of messages.
 *
 * A HELLO says which CREATE of the hub it answers (in the value, beside the address): a session may end
 * before the hub has read the first HELLO of the other edge, and then it does not know yet that it is
 * one of ours. Links that lose messages are in formal/words.pml: to what is here they lose none.
 *
 * Check: -DLOSSES=0 -DOPENS=2
 * Check: -DLOSSES=1 -DOPENS=1
 * Check: -DLOSSES=2 -DOPENS=1
 * Defect: -DLOSSES=0 -DOPENS=2 -DNO_AGAIN (a half that lost its peer is not announced again)
 * Defect: -DLOSSES=0 -DOPENS=2 -DFORGET_ACK (a closed half whose ACK may be on its way is not destroyed, H-29)
 * Defect: -DLOSSES=0 -DOPENS=2 -DFORGET_CREATE (the same of its announcement)
 * Defect: -DLOSSES=1 -DOPENS=1 -DSTALE_WISH (wishes outlive the session)
 * Defect: -DLOSSES=1 -DOPENS=1 -DNO_NUMBER (a HELLO is taken for the answer to the last CREATE)
 */
#define CAPACITY 16
#define NUMBER   16 /* in a HELLO: an address and NUMBER times a count */
#define o        (1 - i)

mtype = { CTL_CREATE, CTL_ACK, CTL_DESTROY, HUB_CREATE, HUB_DESTROY, HELLO, CREATE, ACK, DESTROY, DATA };

chan down[2] = [CAPACITY] of { mtype, byte }; /* to the edge */
chan up[2] = [CAPACITY] of { mtype, byte };   /* to the hub */
bit broken[2], hub_knows[2], edge_knows[2];
byte n_losses = LOSSES;

/* ---- an edge ------------------------------------------------------------------------------------ */

byte e_next[2] = 1;
byte e_control[2], e_hub[2]; /* control endpoint, and what it is bound to; 0: none */
byte e_creates[2];           /* heard there */
bit e_device[2];             /* the routed device is up */
bit e_open[2];               /* the application's endpoint exists */
byte e_opens[2] = OPENS;
byte e_addr[2], e_dest[2];
bit e_again[2], e_sent[2], e_stays[2];
chan e_kept[2] = [4] of { byte };

/* ---- the hub -------------------------------------------------------------------------------------- */

byte h_next[2] = 1;
bit h_up[2] = 1;               /* the link, as the hub knows */
byte h_control[2], h_edge[2];  /* control endpoint, and what it is bound to */
bit h_control_again[2];
bit h_session, h_told[2], h_ours[2], h_hello_due[2];
byte h_creates[2]; /* said to what is bound now */
byte wish[2], half[2], peer[2]; /* peer: what the half is bound to */
bit said[2];                    /* the half announced itself, or answered */
bit announced[2]; /* by CREATE: the remote may have bound itself before it read our ACK */
bit answered[2], heard[2], again[2];
bit ending, gone;

#define ready(i) (h_edge[i] && h_session && h_told[i] && !h_hello_due[i])

inline to_edge(i, what, value)
{
	if
	:: !broken[i] -> assert(nfull(down[i])); down[i]!what, value
	:: else
	fi
}

inline to_hub(i, what, value)
{
	if
	:: !broken[i] -> assert(nfull(up[i])); up[i]!what, value
	:: else
	fi
}

/* ---- route.c ----------------------------------------------------------------------------------------- */

inline close_half(i, inform)
{
	if
	:: half[i] && (inform) && said[i] -> to_edge(i, DESTROY, half[i])
	:: else
	fi;
	half[i] = 0;
	peer[i] = 0;
	said[i] = 0;
	answered[i] = 0;
	announced[i] = 0;
	heard[i] = 0;
	again[i] = 0
}

inline open_half(i)
{
	if
	:: !half[i] -> half[i] = h_next[i]; h_next[i]++
	:: else
	fi
}

inline settle_side(i)
{
	if
	:: half[i] && !peer[i] && !h_up[i] -> close_half(i, 0)
	:: else
	fi;
	if
	:: !ready(0) || !ready(1) || peer[i] -> skip
	:: else ->
		if
		:: !wish[i] && wish[o] && !half[i] ->
			open_half(i);
			said[i] = 1;
			announced[i] = 1;
			to_edge(i, CREATE, half[i])
		:: wish[i] && (wish[o] || peer[o]) ->
			open_half(i);
			open_half(o);
			peer[i] = wish[i]; /* bind_half() with ACK */
			said[i] = 1;
			answered[i] = 1;
			again[i] = 0;
			to_edge(i, ACK, half[i])
		:: else
		fi
	fi
}

inline settle()
{
	if
	:: !ending -> settle_side(0); settle_side(1); settle_side(0)
	:: else
	fi
}

#ifdef FORGET_ACK
#define must_hear(i) 0
#elif defined(FORGET_CREATE)
#define must_hear(i) (peer[i] && answered[i] && !heard[i])
#else
#define must_hear(i) (peer[i] && (announced[i] || (answered[i] && !heard[i])))
#endif

/* A closed end; the loss of a CPU ends the session: see end_session(). */
inline finish_ending()
{
	ending = 0;
	close_half((1 - gone), 1);
	if
	:: half[gone] && !wish[gone] && wish[1 - gone] ->
		peer[gone] = 0;
		answered[gone] = 0;
#ifndef NO_AGAIN
		again[gone] = 1
#endif
	:: else -> close_half(gone, must_hear(gone))
	fi;
	/* route_ended() */
	if
	:: !wish[0] && !wish[1] && !half[0] && !half[1] -> skip
	:: else -> settle()
	fi
}

inline end_side(i)
{
	if
	:: ending && gone == i -> skip /* parked still */
	:: ending && gone != i ->
		close_half(0, must_hear(0));
		close_half(1, must_hear(1));
		finish_ending()
	:: !ending ->
		ending = 1;
		gone = i;
		if
		:: peer[o] && heard[i] -> skip /* what it sent is parked */
		:: true -> finish_ending()
		fi
	fi
}

inline route_create(i, addr)
{
	wish[i] = addr;
	if
	:: peer[i] && peer[i] != addr -> end_side(i)
	:: else -> settle()
	fi
}

inline route_ack(i, addr)
{
	if
	:: half[i] && !peer[i] && !ending && said[i] ->
		peer[i] = addr;
		answered[i] = 0;
		again[i] = 0;
		settle()
	:: else
	fi
}

inline route_destroy(i, addr)
{
	if
	:: wish[i] == addr || peer[i] == addr ->
		if
		:: wish[i] == addr -> wish[i] = 0
		:: else
		fi;
		if
		:: peer[i] == addr || !peer[i] -> end_side(i)
		:: else
		fi
	:: else
	fi
}

/* ---- pair.c --------------------------------------------------------------------------------------------- */

inline hub_tell(i)
{
	if
	:: h_edge[i] && h_told[i] && !h_session -> to_edge(i, HUB_DESTROY, h_edge[i]); h_told[i] = 0
	:: else
	fi;
	if
	:: h_edge[i] && !h_told[i] && h_session ->
		to_edge(i, HUB_CREATE, h_edge[i]);
		h_told[i] = 1;
		h_creates[i]++;
		h_hello_due[i] = h_ours[i]
	:: else
	fi
}

inline forget_route()
{
	close_half(0, 0);
	close_half(1, 0);
#ifndef STALE_WISH
	wish[0] = 0;
	wish[1] = 0;
#endif
	ending = 0
}

inline pair_update()
{
	if
	:: h_edge[0] && h_edge[1] && !h_session -> h_session = 1
	:: !(h_edge[0] && h_edge[1]) && h_session ->
		h_session = 0;
		hub_tell(0);
		hub_tell(1);
		forget_route()
	:: else
	fi;
	hub_tell(0);
	hub_tell(1);
	settle() /* route_ready() */
}

inline hub_control_down(i)
{
	h_edge[i] = 0;
	h_told[i] = 0;
	h_creates[i] = 0;
	h_ours[i] = 0;
	h_hello_due[i] = 0
}

inline close_hub_control(i)
{
	if
	:: h_control[i] && h_up[i] -> to_edge(i, CTL_DESTROY, h_control[i])
	:: else
	fi;
	h_control[i] = 0;
	h_control_again[i] = 0;
	hub_control_down(i)
}

inline open_hub_control(i)
{
	if
	:: !h_control[i] ->
		h_control[i] = h_next[i];
		h_next[i]++;
		to_edge(i, CTL_CREATE, h_control[i])
	:: else
	fi
}

inline hub_input(i)
{
	up[i]?h_what, h_value;
	if
	:: h_what == CTL_ACK ->
		if
		:: h_control[i] && !h_edge[i] ->
			h_edge[i] = h_value;
			h_control_again[i] = 0;
			pair_update()
		:: else
		fi
	:: h_what == CTL_DESTROY ->
		if
		:: h_edge[i] == h_value && h_value ->
			hub_control_down(i);
			h_control_again[i] = 1;
			pair_update()
		:: else
		fi
	:: h_what == HELLO ->
		if
		:: h_control[i] == h_value % NUMBER && h_edge[i] ->
			h_ours[i] = 1;
#ifdef NO_NUMBER
			h_hello_due[i] = 0;
#else
			h_hello_due[i] = h_value / NUMBER != h_creates[i];
#endif
			settle()
		:: else
		fi
	:: h_what == DATA ->
		if
		:: half[i] == h_value && peer[i] -> heard[i] = 1
		:: else
		fi
	:: else ->
		if
		:: !ready(i) -> skip /* said before it heard of the session's end */
		:: else ->
			if
			:: h_what == CREATE -> route_create(i, h_value)
			:: h_what == ACK -> route_ack(i, h_value)
			:: h_what == DESTROY -> route_destroy(i, h_value)
			fi
		fi
	fi;
	h_value = 0;
	h_what = 0
}

inline lose(i)
{
	hub_knows[i] = 1;
	h_up[i] = 0;
	close_hub_control(i);
	pair_update();
	close_hub_control(o)
}

inline regain(i)
{
	broken[i] = 0;
	hub_knows[i] = 0;
	edge_knows[i] = 0;
	h_up[i] = 1;
	if
	:: h_up[0] && h_up[1] -> open_hub_control(0); open_hub_control(1)
	:: else
	fi
}

active proctype hub()
{
	byte i, h_value;
	mtype h_what;

	atomic { open_hub_control(0); open_hub_control(1) };
end:
	do
	:: atomic { nempty(up[0]) -> hub_input(0) }
	:: atomic { nempty(up[1]) -> hub_input(1) }
	/* again_fired() */
	:: atomic { again[0] -> again[0] = 0;
		if
		:: half[0] && !peer[0] -> said[0] = 1; announced[0] = 1; to_edge(0, CREATE, half[0])
		:: else -> settle()
		fi }
	:: atomic { again[1] -> again[1] = 0;
		if
		:: half[1] && !peer[1] -> said[1] = 1; announced[1] = 1; to_edge(1, CREATE, half[1])
		:: else -> settle()
		fi }
	/* what was parked has left */
	:: atomic { ending -> finish_ending() }
	/* announce_again() of a control endpoint */
	:: atomic { h_control_again[0] -> h_control_again[0] = 0; to_edge(0, CTL_CREATE, h_control[0]) }
	:: atomic { h_control_again[1] -> h_control_again[1] = 0; to_edge(1, CTL_CREATE, h_control[1]) }
	/* pair_place(): a link is lost, and comes back */
	:: atomic { broken[0] && !hub_knows[0] -> lose(0) }
	:: atomic { broken[1] && !hub_knows[1] -> lose(1) }
	:: atomic { broken[0] && hub_knows[0] && edge_knows[0] -> regain(0) }
	:: atomic { broken[1] && hub_knows[1] && edge_knows[1] -> regain(1) }
	od
}

/* ---- an edge: edge.c, ns.c, endpoint.c --------------------------------------------------------------------- */

inline e_bind(i, addr)
{
	e_dest[i] = addr;
	e_again[i] = 0
}

/* say_hello(): the endpoint has an address */
inline e_start(i)
{
	e_addr[i] = e_next[i];
	e_next[i]++;
	if
	:: nempty(e_kept[i]) -> e_kept[i]?value; to_hub(i, ACK, e_addr[i]); e_bind(i, value)
	:: empty(e_kept[i]) -> to_hub(i, CREATE, e_addr[i])
	fi
}

inline e_forget(i)
{
	e_device[i] = 0;
	e_addr[i] = 0;
	e_dest[i] = 0;
	e_again[i] = 0;
	do
	:: nempty(e_kept[i]) -> e_kept[i]?_
	:: empty(e_kept[i]) -> break
	od
}

inline e_close_control(i)
{
	if
	:: e_control[i] -> e_forget(i); to_hub(i, CTL_DESTROY, e_control[i]); e_control[i] = 0; e_hub[i] = 0;
		e_creates[i] = 0
	:: else
	fi
}

inline edge_input(i)
{
	down[i]?what, value;
	if
	:: what == CTL_CREATE ->
		if
		:: e_control[i] && e_hub[i] == value -> skip
		:: else ->
			e_close_control(i); /* close_former() */
			e_control[i] = e_next[i];
			e_next[i]++;
			e_hub[i] = value;
			e_creates[i] = 0;
			to_hub(i, CTL_ACK, e_control[i])
		fi
	:: what == CTL_DESTROY ->
		if
		:: e_control[i] && e_hub[i] == value -> e_close_control(i)
		:: else
		fi
	:: what == HUB_CREATE ->
		if
		:: value == e_control[i] && value ->
			e_creates[i]++;
			assert(e_hub[i] < NUMBER && e_creates[i] < NUMBER);
			to_hub(i, HELLO, e_hub[i] + NUMBER * e_creates[i]);
			if
			:: !e_device[i] ->
				e_device[i] = 1;
				if
				:: e_open[i] -> e_start(i)
				:: else
				fi
			:: else
			fi
		:: else
		fi
	:: what == HUB_DESTROY ->
		if
		:: value == e_control[i] && value -> e_forget(i)
		:: else
		fi
	:: what == CREATE && e_device[i] ->
		if
		:: e_addr[i] && e_dest[i] == value -> skip
		:: e_addr[i] && !e_dest[i] -> to_hub(i, ACK, e_addr[i]); e_bind(i, value)
		:: else ->
			if
			:: e_kept[i]??[eval(value)] -> skip
			:: !(e_kept[i]??[eval(value)]) -> assert(nfull(e_kept[i])); e_kept[i]!value
			fi
		fi
	:: what == ACK && e_device[i] ->
		if
		:: e_addr[i] && !e_dest[i] -> e_bind(i, value)
		:: else
		fi
	:: what == DESTROY && e_device[i] ->
		if
		:: e_kept[i]??[eval(value)] -> e_kept[i]??eval(value)
		:: !(e_kept[i]??[eval(value)])
		fi;
		if
		:: e_addr[i] && e_dest[i] == value ->
			e_dest[i] = 0;
			e_again[i] = 1;
			if
			:: nempty(e_kept[i]) -> e_kept[i]?value; to_hub(i, ACK, e_addr[i]); e_bind(i, value)
			:: empty(e_kept[i])
			fi
		:: else
		fi
	:: else -> assert(what == DESTROY || !e_device[i]) /* late; nothing new without a device */
	fi;
	value = 0;
	what = 0
}

inline close()
{
	if
	:: e_addr[i] -> to_hub(i, DESTROY, e_addr[i])
	:: else
	fi;
	e_addr[i] = 0;
	e_dest[i] = 0;
	e_again[i] = 0;
	e_sent[i] = 0
}

proctype edge(byte i)
{
	byte value;
	mtype what;

end:
	do
	:: atomic { nempty(down[i]) -> edge_input(i) }
	/* the application */
	:: atomic { e_opens[i] && !e_open[i] -> e_opens[i]--; e_open[i] = 1;
		if
		:: e_device[i] -> e_start(i); value = 0
		:: else
		fi }
	:: atomic { e_open[i] && !e_stays[i] -> e_open[i] = 0; close() }
	:: atomic { e_open[i] && !e_stays[i] -> e_stays[i] = 1 }
	/* a message, if there is a peer: the first one is as good as any */
	:: atomic { e_dest[i] && !e_sent[i] -> e_sent[i] = 1; to_hub(i, DATA, e_dest[i]) }
	/* announce_again() */
	:: atomic { e_again[i] -> e_again[i] = 0; to_hub(i, CREATE, e_addr[i]) }
	/* the link breaks; the edge may be restarting */
	:: atomic { n_losses && !broken[i] -> n_losses--; broken[i] = 1;
		do
		:: nempty(down[i]) -> down[i]?_, _
		:: nempty(up[i]) -> up[i]?_, _
		:: empty(down[i]) && empty(up[i]) -> break
		od }
	:: atomic { broken[i] && !edge_knows[i] -> edge_knows[i] = 1;
		e_forget(i);
		e_control[i] = 0;
		e_creates[i] = 0;
		e_hub[i] = 0 }
	od
}

init {
	atomic { run edge(0); run edge(1) }
}

#define bound(i) (e_dest[i] && e_dest[i] == half[i] && peer[i] == e_addr[i])

active proctype quiet()
{
	byte i;
end:
	timeout;
	atomic {
		assert(h_session && e_device[0] && e_device[1] && !ending);
		do
		:: i < 2 ->
			if
			:: e_open[0] && e_open[1] -> assert(bound(i) && empty(e_kept[i]))
			:: e_open[i] && !e_open[o] -> /* looks for somebody: he is announced over there */
				assert(!e_dest[i] && wish[i] == e_addr[i] && !peer[i] && !half[i])
			:: !e_open[i] && e_open[o] ->
				assert(!wish[i] && !peer[i] && half[i] && len(e_kept[i]) == 1);
				assert(e_kept[i]?[eval(half[i])])
			:: else -> assert(!wish[i] && !half[i] && empty(e_kept[i]))
			fi;
			i++
		:: i == 2 -> break
		od
	}
}
