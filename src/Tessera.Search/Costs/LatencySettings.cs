using System.ComponentModel.DataAnnotations;
using Tessera.Training;
using Tessera.Training.Recipes;

namespace Tessera.Search.Costs;

/// <summary>What runs a network whose time is measured.</summary>
public enum LatencyEngine
{
    /// <summary>The layers, one operator after the other.</summary>
    Eager,

    /// <summary>The compiled network of Tessera.Deploy.</summary>
    Compiled,
}

/// <summary>In which way a network runs when its time is measured: the times of a table hold for this way alone.</summary>
/// <param name="Engine">What runs it.</param>
/// <param name="Precision">Type of the products: float32 or bfloat16.</param>
/// <param name="Threads">Threads of an operator.</param>
/// <param name="Batch">Images of a batch.</param>
public sealed record LatencySettings(
    LatencyEngine Engine = LatencyEngine.Compiled,
    Precision Precision = Precision.Fp32,
    [Range(1, 1024)] int Threads = 1,
    [Range(1, 4096)] int Batch = 1
)
{
    /// <summary>Type of the products: float32 or bfloat16.</summary>
    public Precision Precision { get; init; } =
        Precision == Precision.Fp16 ? throw new ArgumentException("precision must be fp32 or bf16") : Precision;

    /// <summary>For people: <c>compiled, fp32, 1 thread, batch of 1</c>.</summary>
    public override string ToString() =>
        $"{RecipeShape.Snake(Engine.ToString())}, {RecipeShape.Snake(Precision.ToString())}, "
        + $"{Threads} {(Threads == 1 ? "thread" : "threads")}, batch of {Batch}";
}
