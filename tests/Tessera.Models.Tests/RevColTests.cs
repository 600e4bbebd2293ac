using Tessera.Models;
using Tessera.Testing;
using Mode = Tessera.Models.RevCol.Backpropagation;

namespace Tessera.Tests.Models;

public class RevColTests : LiveTensors
{
    private static RevCol Small(bool supervised = true, bool huge = false, double dropPath = 0, int columns = 8)
    {
        var model = new RevCol(new RevCol.Config((64, 64), [4, 6, 8, 10], [1, 1, 2, 1], columns, supervised, huge, 5, DropPath: dropPath));
        using var quiet = Torch.NoGrad();
        // Layer scale starts so small that errors of the blocks would not show.
        foreach (var (name, parameter) in model.NamedParameters())
            if (name.EndsWith("gamma", StringComparison.Ordinal))
                parameter.Fill_(0.3);
        return model;
    }

    private static Tensor Objective(RevCol model, Tensor images)
    {
        var outputs = model.Run(new(images));
        return outputs.Tensors.Select(t => (t.Square().Mean() + t.Mean()).To(DType.Float64)).Aggregate((a, b) => a + b);
    }

    private static Dictionary<string, Tensor> Gradients(RevCol model, Tensor images, Mode mode)
    {
        model.Mode = mode;
        Torch.Seed(11);
        Objective(model, images).Backward();
        var gradients = model.NamedParameters().ToDictionary(p => p.Name, p => p.Parameter.Grad!);
        model.ZeroGrad();
        return gradients;
    }

    private static double Distance(Dictionary<string, Tensor> ours, Dictionary<string, Tensor> theirs) =>
        theirs.Max(entry => ((ours[entry.Key] - entry.Value).Norm() / entry.Value.Norm().ClampMin(1e-6)).ToDouble());

    [Theory]
    [InlineData(true, false, 0)]
    [InlineData(true, false, 0.4)]
    [InlineData(false, false, 0.4)]
    [InlineData(true, true, 0.4)]
    public void All_ways_of_back_propagation_give_the_same_gradients(bool supervised, bool huge, double dropPath)
    {
        using var scope = Torch.Scope();
        Torch.Seed(1);
        var model = Small(supervised, huge, dropPath);
        model.To(dtype: DType.Float64);
        var images = Torch.Randn([2, 3, 64, 64], dtype: DType.Float64);
        var plain = Gradients(model, images, Mode.Plain);
        Assert.InRange(Distance(Gradients(model, images, Mode.Boundary), plain), 0, 1e-11);
        Assert.InRange(Distance(Gradients(model, images, Mode.Full), plain), 0, 1e-8);
    }

    [Theory]
    [InlineData(Mode.Boundary)]
    [InlineData(Mode.Full)]
    public void Gradients_asked_for_by_name_and_those_of_the_image_are_right_too(Mode mode)
    {
        using var scope = Torch.Scope();
        Torch.Seed(2);
        var model = Small();
        model.To(dtype: DType.Float64);
        var images = Torch.Randn([1, 3, 64, 64], dtype: DType.Float64).Detach();
        images.RequiresGrad = true;
        Tensor[] wanted = [images, model.StateDict()["subnet1.level2.blocks.1.pwconv1.weight"], model.StateDict()["subnet3.alpha0"]];
        Tensor?[] At(Mode way)
        {
            model.Mode = way;
            return Autograd.Grad([Objective(model, images)], wanted);
        }
        var (plain, ours) = (At(Mode.Plain), At(mode));
        for (var i = 0; i < wanted.Length; i++)
            Near.Equal(plain[i]!, ours[i]!, 1e-9);
        Assert.All(model.Parameters(), parameter => Assert.Null(parameter.Grad));
    }

    [Theory]
    [InlineData(Mode.Boundary)]
    [InlineData(Mode.Full)]
    public void Gradients_gather_over_several_passes_and_frozen_parameters_get_none(Mode mode)
    {
        using var scope = Torch.Scope();
        Torch.Seed(3);
        var model = Small(columns: 4);
        model.Mode = mode;
        var frozen = model
            .NamedParameters()
            .Where(p =>
                p.Name.StartsWith("stem", StringComparison.Ordinal) || p.Name.StartsWith("subnet0.level1", StringComparison.Ordinal)
            )
            .ToArray();
        foreach (var (_, parameter) in frozen)
            parameter.RequiresGrad = false;
        var images = Torch.Randn([1, 3, 64, 64]);
        var watched = model.NamedParameters().First(p => p.Name == "subnet0.level2.blocks.0.norm.weight").Parameter;
        Objective(model, images).Backward();
        var once = watched.Grad!.Clone();
        Objective(model, images).Backward();
        Near.Equal(once * 2, watched.Grad!, 1e-5);
        Assert.All(frozen, entry => Assert.Null(entry.Parameter.Grad));
        model.ZeroGrad();
    }

    [Fact]
    public void The_random_state_goes_on_as_if_nothing_had_been_replayed()
    {
        using var scope = Torch.Scope();
        var model = Small(dropPath: 0.5, columns: 4);
        var images = Torch.Randn([2, 3, 64, 64]);
        double Next(Mode mode)
        {
            Gradients(model, images, mode);
            return Torch.Rand([]).ToDouble();
        }
        Assert.Equal(Next(Mode.Plain), Next(Mode.Boundary));
        Assert.Equal(Next(Mode.Plain), Next(Mode.Full));
    }

    [Fact]
    public void Autocast_is_replayed()
    {
        using var scope = Torch.Scope();
        Torch.Seed(4);
        var model = Small(columns: 4);
        var images = Torch.Randn([2, 3, 64, 64]);
        Dictionary<string, Tensor> At(Mode mode)
        {
            model.Mode = mode;
            Tensor total;
            using (Torch.Autocast())
                total = Objective(model, images);
            total.Backward();
            var gradients = model.NamedParameters().ToDictionary(p => p.Name, p => p.Parameter.Grad!.Clone());
            model.ZeroGrad();
            return gradients;
        }
        var name = "subnet2.level2.blocks.0.pwconv1.weight";
        var (plain, boundary) = (At(Mode.Plain)[name], At(Mode.Boundary)[name]);
        Assert.InRange(((plain - boundary).Norm() / plain.Norm()).ToDouble(), 0, 0.02);
        Assert.Null(Torch.AutocastType(DeviceType.Cpu));
    }

    [Fact]
    public void Features_are_recomputed_with_errors_that_grow_from_right_to_left()
    {
        using var scope = Torch.Scope();
        Torch.Seed(5);
        var model = Small(supervised: false, columns: 12);
        model.Eval();
        var images = Torch.Randn([2, 3, 64, 64]);
        var errors = model.RecomputationErrors(images, wide: false);
        Assert.Equal(11, errors.Count);
        Assert.InRange(errors[^1], 0, 1e-5);
        Assert.True(errors[0] > 100 * errors[^1]);
        // In float64 the levels see the very same features again.
        Assert.InRange(model.RecomputationErrors(images).Max(), 0, 1e-9);
    }

    [Fact]
    public void Full_back_propagation_rounds_like_the_plain_one_over_many_columns()
    {
        using var scope = Torch.Scope();
        Torch.Seed(6);
        var model = Small(supervised: false, columns: 26);
        var images = Torch.Randn([2, 3, 64, 64]);
        var (full, plain) = (Gradients(model, images, Mode.Full), Gradients(model, images, Mode.Plain));
        model.To(dtype: DType.Float64);
        var exact = Gradients(model, images.To(DType.Float64), Mode.Plain);
        // Plain float32 rounds too: recomputing may add no more than that.
        Assert.InRange(Distance(full, exact), 0, 2 * Distance(plain, exact));
    }

    [Fact]
    public void Factors_too_near_to_zero_are_moved_and_keep_their_sign()
    {
        using var scope = Torch.Scope();
        var model = Small(columns: 4);
        var alpha = model.NamedParameters().First(p => p.Name == "subnet2.alpha1").Parameter;
        using (Torch.NoGrad())
            alpha.Copy_(Tensor.From<float>([0, -1e-5f, 1e-5f, 0.5f, -0.5f, 2], 1, 6, 1, 1));
        model.Call(Torch.Randn([1, 3, 64, 64]));
        Near.Values(alpha.Detach(), 1e-9, 1e-3f, -1e-3f, 1e-3f, 0.5, -0.5, 2);
    }

    [Fact]
    public void A_single_head_takes_the_last_of_a_supervised_checkpoint()
    {
        using var scope = Torch.Scope();
        var (from, to) = (Small(), Small(supervised: false));
        to.Load(from.StateDict());
        from.Eval();
        to.Eval();
        var images = Torch.Randn([1, 3, 64, 64]);
        Near.Identical(from.Call(images), to.Call(images));
        Assert.Equal(to.ParameterCount, from.InferenceParameters);
    }

    [Fact]
    public void It_answers_what_every_model_answers()
    {
        using var scope = Torch.Scope();
        var model = Small();
        var images = Torch.Randn([1, 3, 64, 96]);
        Assert.Equal([4, 8, 16, 32], model.ForwardFeatureMaps(images).Select(map => map.Stride));
        Assert.Equal(new Shape(1, 4, 16, 24), model.ForwardFeatureMaps(images)[0].Map.Shape);
        Assert.Equal(Enumerable.Repeat(new Shape(1, 10, 2, 3), 8), model.ForwardIntermediates(images).Select(block => block.Shape));
        Assert.Empty(model.AttentionMaps(images));
        model.ResetClassifier(3);
        Assert.Equal(new Shape(1, 3), model.Run(new(images)).Named[RevCol.Head(0)].Shape);
        Assert.Throws<ShapeException>(() => model.Resize(48, 64));
        Assert.Throws<ArgumentException>(() => Small(columns: 6));
    }
}
