using Tessera.Optim;
using Tessera.Training.Optimization;

namespace Tessera.Training.Loop;

/// <summary>How a phase is optimised.</summary>
/// <param name="Phase">The phase, one of those of the objective.</param>
/// <param name="Optimizer">
/// Optimiser of the parameters that the phase learns. The learning rate that it has now is the top of the schedule.
/// </param>
public sealed record PhaseSetup(Phase Phase, Optimizer Optimizer)
{
    /// <summary>Learning rate at the top of the schedule: that of the optimiser when the setup was made.</summary>
    public double TopLearningRate { get; } = Optimizer.LearningRate;

    /// <summary>Scales the loss, for float16; null for no scaling.</summary>
    public GradientScaler? Scaler { get; init; }

    /// <summary>Largest joint norm of the gradients; null for no clipping by norm.</summary>
    public double? ClipGrad { get; init; }

    /// <summary>Largest norm of a unit's gradient over that of its weights, the classifier left out; null for no such clipping.</summary>
    public double? ClipGradAdaptive { get; init; }

    /// <summary>Largest norm of the gradient of each parameter by itself; null for no such clipping.</summary>
    public double? ClipGradTensor { get; init; }

    /// <summary>Whether the learning rate stays as it is, whatever the schedule.</summary>
    public bool ConstantLearningRate { get; init; }

    /// <summary>Factor of the weight decay at a step of so many; null where it stays the same.</summary>
    internal Func<long, long, double>? DecayScale { get; init; }

    /// <summary>Named parameters that the phase learns.</summary>
    internal IEnumerable<(string Name, Parameter Parameter)> Learned => Optimizer.Groups.SelectMany(group => group.Parameters);

    /// <summary>The phases of an objective, all of them optimised in the same way.</summary>
    /// <param name="objective">With its networks where they compute.</param>
    /// <param name="optimizer">How weights change, and the learning rate.</param>
    /// <param name="options">Clipping and precision of the training.</param>
    public static IReadOnlyList<PhaseSetup> Of(Objective objective, OptimizerOptions optimizer, TrainOptions? options = null) =>
        [.. objective.Phases.Select(phase => Of(objective, phase, optimizer, options ?? new()))];

    /// <summary>One phase.</summary>
    /// <param name="objective">With its networks where they compute.</param>
    /// <param name="phase">One of its phases.</param>
    /// <param name="optimizer">How weights change, and the learning rate.</param>
    /// <param name="options">Clipping and precision of the training.</param>
    /// <param name="batch">
    /// Samples of a step over all processes, for a learning rate that is meant for another batch; null takes it as it is.
    /// </param>
    internal static PhaseSetup Of(Objective objective, Phase phase, OptimizerOptions optimizer, TrainOptions options, int? batch = null)
    {
        var created = optimizer.Create(objective, phase);
        if (batch is { } samples)
            created.LearningRate = optimizer.TopLearningRate(samples);
        return new(phase, created)
        {
            Scaler = options.Precision == Precision.Fp16 ? new GradientScaler() : null,
            ClipGrad = options.ClipGrad,
            ClipGradAdaptive = options.ClipGradAdaptive,
            ClipGradTensor = options.ClipGradTensor,
            DecayScale = optimizer.DecayScale,
        };
    }
}
