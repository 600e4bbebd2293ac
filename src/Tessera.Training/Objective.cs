using Tessera.Data;
using Tessera.Models;

namespace Tessera.Training;

/// <summary>A loss with its named parts, all of them scalars; <see cref="Total"/> is what is differentiated.</summary>
/// <param name="Total">The sum that the student is trained with.</param>
public sealed record Loss(Tensor Total) : ITensorBag
{
    /// <summary>Parts to be logged, by name.</summary>
    public IReadOnlyDictionary<string, Tensor> Parts { get; init; } = new Dictionary<string, Tensor>();

    /// <summary>Logits of the student on the batch, where they are at hand: for the accuracy in the log.</summary>
    public Tensor? Logits { get; init; }

    /// <inheritdoc/>
    public IEnumerable<Tensor> Tensors => Logits is null ? Parts.Values.Prepend(Total) : Parts.Values.Prepend(Total).Append(Logits);
}

/// <summary>Where training stands: what schedules inside of objectives go by.</summary>
/// <param name="Epoch">From 0.</param>
/// <param name="Epochs">Length of the training.</param>
/// <param name="Step">From 0, over all epochs.</param>
/// <param name="StepsPerEpoch">Steps of one epoch.</param>
public sealed record Progress(int Epoch, int Epochs, long Step, long StepsPerEpoch);

/// <summary>
/// A training method. It may own further networks and parameters: as fields they are saved in checkpoints with the run, and
/// those that require gradients are optimised together with the student. The trainer knows no method by name.
/// </summary>
public abstract class Objective : Module
{
    /// <summary>The loss of a batch, with the graph that leads to it.</summary>
    public Loss Compute(Backbone student, Batch batch, Progress progress)
    {
        using var scope = new Scope();
        return scope.Return(ForwardLoss(student, batch, progress));
    }

    /// <summary>What <see cref="Compute"/> gives.</summary>
    protected abstract Loss ForwardLoss(Backbone student, Batch batch, Progress progress);

    /// <summary>
    /// Whether the loss of a batch is the mean of losses of its samples, so that a batch which does not fit into memory may pass
    /// in parts. False for methods that compare the samples of a batch with each other.
    /// </summary>
    public virtual bool MeanOverSamples => true;

    /// <summary>
    /// Whether a step is one pass of the student over whole images, forward and backward, and little else: how much is computed
    /// is known then. False for methods with teachers, masks or several passes.
    /// </summary>
    public virtual bool IsOnePass => false;

    /// <summary>Whether <c>train.clip</c> is of the student's parameters alone, without those of the method.</summary>
    public virtual bool ClipsStudentOnly => false;

    /// <summary>Factor of the learning rate of a parameter of the student.</summary>
    /// <param name="parameter">Its name.</param>
    public virtual double RateScale(string parameter) => 1;

    /// <summary>Called after every step of the optimiser: momentum copies, queues.</summary>
    public virtual void AfterStep(Backbone student, Progress progress) { }
}
