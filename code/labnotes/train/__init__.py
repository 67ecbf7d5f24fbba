"""Training: the loop, what it records, its checkpoints and learning-rate schedules.

For a loop that :func:`fit` cannot be, such as the two optimizers of a GAN, its parts are here as
well: :class:`Checkpoint`, :class:`History`, :class:`Progress` and :func:`rest_of_epoch`. The loop
below can be killed at any moment; started again, it goes on as if it had not been. The number of
steps in the history tells where it is::

    import torch
    from torch import nn
    from labnotes.data import Batches, digits
    from labnotes.gan import discriminator_step, generator_step
    from labnotes.train import Checkpoint, History, Progress, rest_of_epoch

    torch.manual_seed(0)
    data = Batches(digits().train.images, digits().train.labels, 64, device="cpu")
    G = nn.Sequential(nn.Linear(16, 128), nn.ReLU(), nn.Linear(128, 64), nn.Sigmoid())
    D = nn.Sequential(nn.Flatten(), nn.Linear(64, 128), nn.LeakyReLU(0.2), nn.Linear(128, 1))
    g_adam, d_adam = (torch.optim.Adam(net.parameters(), lr=2e-3) for net in (G, D))
    history, epochs = History(), 3
    parts = {"G": G, "D": D, "g_adam": g_adam, "d_adam": d_adam, "history": history}
    saved = Checkpoint("gan", {"lr": 2e-3, "seed": 0}, parts)
    saved.resume()
    with saved, Progress(True, epochs, len(data), len(history.steps)) as bar:
        for epoch in range(len(history.epochs), epochs):
            done = len(history.steps) - epoch * len(data)
            for real, _ in rest_of_epoch(data, 0, epoch, done, saved):
                discriminator_step(G, D, d_adam, real, torch.randn(len(real), 16))
                history.steps.append(generator_step(G, D, g_adam, torch.randn(len(real), 16)))
                bar.step(epoch, history.steps[-1])
                if saved.due():
                    saved.save()
            history.epochs.append({"epoch": epoch + 1, "train_loss": history.steps[-1]})
            saved.save()
"""

from labnotes.lazy import lazy

__all__ = lazy(__name__, {
    "checkpoint": ["Checkpoint", "CheckpointError"],
    "epochs": ["rest_of_epoch", "seed_epoch"],
    "fit": ["fit"],
    "history": ["History"],
    "measure": ["Mean", "accuracy", "evaluate", "supervised"],
    "progress": ["Progress"],
    "range_test": ["RangeTest", "lr_range_test"],
    "recorded": ["RecordError", "record_weights", "recorded"],
    "schedules": ["constant", "cosine", "one_cycle", "step_decay", "warmup_stable_decay"],
})  # fmt: skip
