using Tessera.Data;
using Tessera.Models;

namespace Tessera.Training;

/// <summary>Where training stands: what schedules inside of objectives go by.</summary>
/// <param name="Epoch">From 0.</param>
/// <param name="Epochs">Length of the training.</param>
/// <param name="Step">From 0, over all epochs.</param>
/// <param name="StepsPerEpoch">Steps of one epoch.</param>
public sealed record Progress(int Epoch, int Epochs, long Step, long StepsPerEpoch)
{
    /// <summary>Steps of the whole training; it may end within its last epoch.</summary>
    public long TotalSteps { get; init; } = Epochs * StepsPerEpoch;
}

/// <summary>
/// A training method. It owns the networks that it trains or needs: the model that is kept, a momentum copy, an agent, adapters, a
/// discriminator. As fields they are saved in checkpoints with the run; those that require gradients are optimised in the phases
/// that the objective declares. The trainer knows no method by name.
/// </summary>
/// <param name="model">The network that is kept: it is measured, averaged and written into the bundle of the run.</param>
public abstract class Objective(Module model) : Module
{
    private const string ModelName = "model";

    /// <summary>The network that is kept: it is measured, averaged and written into the bundle of the run.</summary>
    public Module Model { get; } = model;

    /// <inheritdoc/>
    protected override void ListMembers(Members members) => members.Add(ModelName, Model);

    /// <summary>
    /// The phases of a step in their order, each with an optimiser, clipping and a scaler of its own. Most methods have one phase;
    /// adversarial methods have one phase per side. A run may be stopped between two phases of a step: what a later phase takes over from
    /// an earlier one must be a buffer.
    /// </summary>
    public virtual IReadOnlyList<Phase> Phases => [new Phase("", [this])];

    /// <summary>The loss of a batch in a phase, with the graph that leads to it.</summary>
    /// <param name="batch">The samples.</param>
    /// <param name="progress">Where training stands.</param>
    /// <param name="phase">One of <see cref="Phases"/>; the first by default.</param>
    public Loss Compute(Batch batch, Progress progress, Phase? phase = null)
    {
        if (Model is Model regularized)
            regularized.TrainedShare = progress.TotalSteps > 0 ? (double)progress.Step / progress.TotalSteps : 0;
        using var scope = new Scope();
        return scope.Return(ForwardLoss(batch, progress, phase ?? Phases[0]));
    }

    /// <summary>What <see cref="Compute"/> gives.</summary>
    protected abstract Loss ForwardLoss(Batch batch, Progress progress, Phase phase);

    /// <summary>
    /// Whether the loss of a batch is the mean of losses of its samples, so that a batch which does not fit into memory may pass
    /// in parts. False for methods that compare the samples of a batch with each other.
    /// </summary>
    public virtual bool MeanOverSamples => true;

    /// <summary>
    /// What the loss of a batch is a mean over, where that is not its samples: labelled pixels, for instance. The batches of a step, and
    /// those of several processes, count in proportion to it, and one with 0 counts nothing. Null counts samples.
    /// </summary>
    /// <param name="batch">The batch.</param>
    public virtual double? WeightOf(Batch batch) => null;

    /// <summary>
    /// Forward passes of the model that a step of a sample costs, a backward pass counting as two; null where the cost depends on more than
    /// the model, as with teachers, masks or several views.
    /// </summary>
    public virtual double? ForwardPasses => null;

    /// <summary>Factor of the learning rate of a parameter of the model.</summary>
    /// <param name="parameter">Its name in the model.</param>
    public virtual double LearningRateScale(string parameter) => 1;

    private readonly List<string> remarks = [];

    /// <summary>Says something out of the ordinary, in one line for people: it is told and logged after the step at hand.</summary>
    protected void Remark(string line) => remarks.Add(line);

    /// <summary>What there was to say since the last call.</summary>
    protected internal virtual IReadOnlyList<string> TakeRemarks()
    {
        string[] all = [.. remarks];
        remarks.Clear();
        return all;
    }

    /// <summary>
    /// Whether a method that compares the samples of a batch does so over all processes. Otherwise each process compares its own.
    /// </summary>
    public virtual bool JoinsProcesses => false;

    /// <summary>
    /// Whether batch norms may use the samples of all processes (<see cref="TrainOptions.SyncBatchNorm"/>). False for a method that needs
    /// the statistics of each process by itself.
    /// </summary>
    public virtual bool SharesBatchStatistics => true;

    /// <summary>
    /// Named parts of the loss that tell how training goes beside the loss itself: they are shown while it does, and drawn in the report.
    /// </summary>
    public virtual IReadOnlyList<MetricCurve> Watched => [];

    /// <summary>Called before every step.</summary>
    public virtual void BeforeStep(Progress progress) { }

    /// <summary>
    /// Called before the gradients of a step's batches are computed, and again where that begins anew: in smaller parts, or at another
    /// point of the weights. What a method has gathered for <see cref="AfterStep"/> in the batches so far is void then.
    /// </summary>
    public virtual void BeforeGradients() { }

    /// <summary>Called after every step that changed the weights: momentum copies, queues.</summary>
    public virtual void AfterStep(Progress progress) { }

    /// <summary>
    /// Measures what the method trains, where that is not what the task measures: reconstruction instead of the accuracy of a
    /// classifier that is never trained. Null leaves measuring to the task.
    /// </summary>
    /// <param name="context">Data and precision of the measurement.</param>
    public virtual Evaluator? CreateEvaluator(EvaluatorContext context) => null;

    /// <summary>
    /// Whether the model's classifier is trained. Without it the bundle of a run says so, and predicting or measuring classes is refused.
    /// </summary>
    public virtual bool TrainsClassifier => true;

    /// <summary>Sections of the report that are the method's own, after training.</summary>
    /// <param name="samples">Test samples.</param>
    public virtual IReadOnlyList<ReportSection> Report(ReportSamples samples) => [];

    /// <summary>Everything that a checkpoint holds of the objective beside the model.</summary>
    public OrderedDictionary<string, Tensor> OwnStateDict() => new(StateDict().Where(entry => !IsOfModel(entry.Key)));

    /// <summary>Takes up what <see cref="OwnStateDict"/> gave.</summary>
    /// <exception cref="StateDictException">Names or shapes differ.</exception>
    public void LoadOwnStateDict(IReadOnlyDictionary<string, Tensor> state)
    {
        var all = new OrderedDictionary<string, Tensor>(StateDict().Where(entry => IsOfModel(entry.Key)));
        foreach (var (name, tensor) in state)
            all[name] = tensor;
        LoadStateDict(all);
    }

    /// <summary>Whether an entry of the objective's state dict belongs to the model.</summary>
    protected internal virtual bool IsOfModel(string name) => name.StartsWith($"{ModelName}.", StringComparison.Ordinal);
}

/// <summary>What is optimised at once, by an optimiser, clipping and a scaler of its own.</summary>
/// <param name="Name">In the log and in checkpoints; empty for the only phase of a method.</param>
/// <param name="Learned">Modules of the objective whose parameters the phase changes.</param>
/// <param name="Every">Steps from one time to the next: 1 is every step.</param>
public sealed record Phase(string Name, IReadOnlyList<Module> Learned, int Every = 1)
{
    /// <summary>Modules whose gradients count for clipping; null for all that are learned.</summary>
    public IReadOnlyList<Module>? Clipped { get; init; }
}
