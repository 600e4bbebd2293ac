using Tessera.Deploy;
using Tessera.Training.Reports;

namespace Tessera.Search.Costs;

/// <summary>What times depend on beside the way in which a network runs: they mean nothing on another machine.</summary>
/// <param name="Processor">Its name.</param>
/// <param name="Vectors">Instruction sets that it has.</param>
/// <param name="Kernels">The kernels that compiled networks run on.</param>
/// <param name="Libtorch">Version of the engine.</param>
public sealed record LatencyMachine(string Processor, IReadOnlyList<string> Vectors, string Kernels, string Libtorch)
{
    /// <summary>This machine.</summary>
    public static LatencyMachine Here
    {
        get
        {
            var processor = Training.Reports.Processor.Read();
            return new(processor.Name, processor.Vectors, CompiledModel.Kernels, Torch.Version);
        }
    }

    /// <summary>The first thing in which another machine differs, in words; null where nothing does.</summary>
    /// <param name="other">The other one.</param>
    public string? Difference(LatencyMachine other) =>
        Processor != other.Processor ? $"its processor is {Processor}, this one is {other.Processor}"
        : !Vectors.SequenceEqual(other.Vectors)
            ? $"its processor has {string.Join(", ", Vectors)}, this one {string.Join(", ", other.Vectors)}"
        : Kernels != other.Kernels ? $"it ran on the kernels {Kernels}, this process on {other.Kernels}"
        : Libtorch != other.Libtorch ? $"it ran on libtorch {Libtorch}, this process on {other.Libtorch}"
        : null;
}
