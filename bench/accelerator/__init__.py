"""What this machine's device does with odtk's training and exported models: `python -m bench.accelerator`.

No network is needed: images are drawn and weights come from a formula. The parts run in worker processes, the most
valuable figures first; one that fails or takes too long is written down as failed, and the others go on.
"""
