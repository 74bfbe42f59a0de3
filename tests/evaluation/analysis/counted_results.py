"""Results whose counts are known by hand, at each threshold."""

from made_results import CAT, DOG, HORSE, made_image, made_results

A, B, C, D, E, EMPTY = ((10, 10 * i, 20, 10 * i + 9) for i in range(6))

# From the surest on: cat right, dog wrong (on a cat), cat wrong (on one that is found), dog right, cat wrong (on
# nothing), horse ignored, dog right. There are two cats and two dogs to find.
RESULTS = made_results(
    made_image(
        [(A, CAT), (B, CAT), (C, DOG)],
        [(A, CAT, 0.9), (B, DOG, 0.8), (A, CAT, 0.7), (C, DOG, 0.6)],
    ),
    made_image(
        [(D, DOG), (E, HORSE)],
        [(EMPTY, CAT, 0.5), (E, HORSE, 0.4), (D, DOG, 0.3)],
        ignored=[False, True],
        name="b.jpg",
    ),
)
CLASS_IDS = (CAT, DOG, HORSE)
