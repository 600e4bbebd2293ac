using Tessera.Data;
using Tessera.Models;
using Tessera.Nn;

namespace Tessera.Search.Methods;

/// <summary>Other running statistics of a model's batch norms for a while: they come back when it is disposed of.</summary>
internal sealed class NormStatistics : IDisposable
{
    private readonly Model model;
    private readonly List<(BatchNorm Norm, double? Momentum, Tensor[] Before)> norms = [];

    /// <summary>Keeps the statistics of a model.</summary>
    /// <param name="model">The model, in evaluation.</param>
    internal NormStatistics(Model model)
    {
        this.model = model;
        using var scope = new Scope();
        using var outside = Torch.NoGrad();
        foreach (var norm in model.NamedModules().Select(entry => entry.Module).OfType<BatchNorm>())
            if (norm.RunningMean is not null)
                norms.Add((norm, norm.Momentum, scope.Return(Buffers(norm).Select(buffer => buffer.Clone()).ToArray())));
    }

    private static Tensor[] Buffers(BatchNorm norm) => [.. norm.NamedBuffers().Select(entry => (Tensor)entry.Buffer)];

    /// <summary>Computes statistics anew: the mean over the statistics of some batches.</summary>
    /// <param name="batches">The batches; their tensors are freed.</param>
    /// <param name="run">Runs the model on images, in training mode.</param>
    internal void Compute(IEnumerable<Batch> batches, Func<Tensor, Tensor> run)
    {
        using var outside = Torch.NoGrad();
        var device = model.Parameters().First().Device;
        foreach (var (norm, _, _) in norms)
        {
            norm.Momentum = null;
            foreach (var buffer in Buffers(norm))
                buffer.Zero_();
        }
        model.Train();
        try
        {
            foreach (var batch in batches)
                using (new Scope())
                using (batch)
                    run(batch.Inputs.To(device));
        }
        finally
        {
            model.Eval();
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        using var outside = Torch.NoGrad();
        foreach (var (norm, momentum, before) in norms)
        {
            norm.Momentum = momentum;
            foreach (var (buffer, kept) in Buffers(norm).Zip(before))
            {
                buffer.Copy_(kept);
                kept.Dispose();
            }
        }
        norms.Clear();
    }
}
