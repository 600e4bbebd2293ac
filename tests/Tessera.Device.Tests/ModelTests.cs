using Tessera.Models;
using Tessera.Testing;
using Tessera.Tests.Models;

namespace Tessera.Tests.Devices;

/// <summary>A model of every family on the device: all that the processor's tests ask, and the same numbers as there.</summary>
public sealed class ModelTests : LiveTensors
{
    // The structures of one class differ by little that knows of devices: the first, and its form for dense tasks.
    public static TheoryData<string> Names => [.. Families()];

    [DeviceTheory]
    [MemberData(nameof(Names))]
    public void Every_family_trains_and_answers_all_questions_on_the_device(string name) => Questions.Ask(name, Device.Cuda);

    [DeviceTheory]
    [MemberData(nameof(Names))]
    public void Logits_and_gradients_are_those_of_the_processor(string name)
    {
        using var scope = Torch.Scope();
        Torch.Seed(1);
        var model = Reduced.Create(name);
        model.Eval();
        // Zeros hide what is added on the wrong device, and a fresh deformable convolution samples where its gradient jumps.
        using (Torch.NoGrad())
            foreach (var parameter in model.Parameters())
                parameter.Add_(Torch.Randn(parameter.Shape), 0.02);
        // It draws permutations, which another device draws in another way.
        if (model is Sret { Options.Groups: not null } && !OnDevice.IsTwin)
            return;
        var input = Questions.Input(model, Device.Cpu);
        var (logits, gradients) = Compute(model, input);
        model.To(Device.Cuda);
        var (found, ours) = Compute(model, input.To(Device.Cuda));
        Near.Equal(logits, found, 1e-4);
        Assert.Equal(gradients.Keys, ours.Keys);
        foreach (var (parameter, expected) in gradients)
            Assert.True(
                Math.Abs(expected - ours[parameter]) <= 1e-3 * Math.Abs(expected) + 1e-5,
                $"gradient of {parameter}: {ours[parameter]}, {expected} on the processor"
            );
    }

    private static (Tensor Logits, Dictionary<string, double> Gradients) Compute(Backbone model, Tensor input)
    {
        Torch.Seed(2);
        var logits = model.Call(input);
        logits.Square().Sum().Backward();
        var gradients = model
            .NamedParameters()
            .Where(p => p.Parameter.Grad is not null)
            .ToDictionary(p => p.Name, p => p.Parameter.Grad!.To(DType.Float64).Norm().ToDouble());
        foreach (var (_, parameter) in model.NamedParameters())
            parameter.Grad = null;
        return (logits.Detach(), gradients);
    }

    private static IEnumerable<string> Families()
    {
        using var scope = Torch.Scope();
        using var skip = Nn.Init.Skip();
        return
        [
            .. Reduced
                .Names.Where(name => !Reduced.IsDense(name))
                .GroupBy(name => Reduced.Create(name).GetType())
                .Select(family => family.First()),
            .. Reduced.Names.Where(Reduced.IsDense),
        ];
    }
}
