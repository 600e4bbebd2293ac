using Tessera.Models;

namespace Tessera.Training;

/// <summary>Which training method, with its settings.</summary>
public abstract record ObjectiveOptions
{
    /// <summary>Label smoothing that soft targets of mixed batches have to contain.</summary>
    public virtual double TargetSmoothing => 0;

    /// <summary>Builds the method.</summary>
    public abstract Objective Create(ObjectiveContext context);
}

/// <summary>What a training method may be built from.</summary>
/// <param name="Student">The model that is trained.</param>
/// <param name="Device">Where it computes.</param>
public sealed record ObjectiveContext(Backbone Student, Device Device);
