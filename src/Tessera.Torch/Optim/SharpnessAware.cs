namespace Tessera.Optim;

/// <summary>
/// The first half of a sharpness-aware step (Foret et al., 2020, arXiv:2010.01412, algorithm 1): moves the parameters uphill along
/// their gradients, by one joint length. The optimiser steps by the gradients taken there, after <see cref="Dispose"/> has restored
/// the parameters bit for bit.
/// </summary>
public sealed class SharpnessAware : IDisposable
{
    private readonly List<(Parameter Parameter, Tensor Before)> moved = [];

    /// <summary>Moves parameters along their gradients; parameters without a gradient stay.</summary>
    /// <param name="parameters">The parameters to move together.</param>
    /// <param name="rho">Length of the move, above 0.</param>
    /// <param name="adaptive">
    /// Measures lengths relative to the weights: moves by w^2 g / | |w| g | (Kwon et al., 2021, arXiv:2102.11600).
    /// </param>
    public SharpnessAware(IEnumerable<Parameter> parameters, double rho, bool adaptive = false)
    {
        using var scope = new Scope();
        using var outside = Torch.NoGrad();
        var found = parameters.Where(p => p.Grad is not null).Select(p => (Parameter: p, Gradient: p.Grad!)).ToArray();
        if (found.Length == 0)
            return;
        var norm = Torch
            .Stack([.. found.Select(p => (adaptive ? p.Parameter.Abs() * p.Gradient : p.Gradient).LinalgVectorNorm())])
            .LinalgVectorNorm();
        var factor = rho / (norm + 1e-12);
        foreach (var (parameter, gradient) in found)
        {
            moved.Add((parameter, parameter.Detach().Clone().Keep()));
            parameter.Add_((adaptive ? parameter.Square() * gradient : gradient) * factor);
        }
    }

    /// <summary>Puts the parameters back.</summary>
    public void Dispose()
    {
        using var scope = new Scope();
        using var outside = Torch.NoGrad();
        foreach (var (parameter, before) in moved)
        {
            parameter.Copy_(before);
            before.Dispose();
        }
        moved.Clear();
    }
}
