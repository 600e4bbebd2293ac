using Tessera.Checkpoints;
using Tessera.Nn;
using Tessera.Optim;
using Tessera.Testing;

namespace Tessera.Tests;

public sealed partial class ModuleTests : LiveTensors
{
    private sealed partial class Block : Layer
    {
        private readonly Linear fc1 = new(2, 2);
        private readonly Parameter layerScale = Init.Ones(new Parameter(2));
        private readonly ModuleBuffer relativeIndex = Torch.Scope(() => new ModuleBuffer(Torch.Arange(4)));
        private readonly ModuleBuffer cache = Torch.Scope(() => new ModuleBuffer(Torch.Zeros(3), persistent: false));

        [Name("norm_special")]
        private readonly LayerNorm norm = new(2);

        [NotRegistered]
        private readonly Linear outside = new(2, 2);

        public Linear Tail { get; } = new(2, 2, bias: false);

        public Parameter? Missing { get; }

        protected override Tensor Forward(Tensor input) =>
            Tail.Call(norm.Call(fc1.Call(input)) * layerScale) + relativeIndex.Sum() * 0 + cache.Sum() + outside.Weight.Sum() * 0;
    }

    private partial class Base : Layer
    {
        protected readonly Linear stem = new(2, 3);

        protected override Tensor Forward(Tensor input) => stem.Call(input);
    }

    private sealed partial class Derived<T>(T head) : Base
        where T : Layer
    {
        private readonly T head = head;
        private readonly ModuleList<Block> blocks = new(new Block(), new Block());

        public int Depth => blocks.Count;

        protected override Tensor Forward(Tensor input) => head.Call(base.Forward(input));
    }

    private sealed partial class Tied : Layer
    {
        private readonly Linear encoder;
        private readonly Parameter decoder;

        public Tied()
        {
            encoder = new Linear(3, 3, bias: false);
            decoder = encoder.Weight;
        }

        public Parameter First => encoder.Weight;
        public Parameter Second => decoder;

        protected override Tensor Forward(Tensor input) => encoder.Call(input).Matmul(decoder);
    }

    [Fact]
    public void Names_and_order_are_those_of_pytorch() =>
        Assert.Equal(
            ["layer_scale", "relative_index", "fc1.weight", "fc1.bias", "norm_special.weight", "norm_special.bias", "tail.weight"],
            new Block().StateDict().Keys
        );

    [Fact]
    public void Buffers_that_are_not_persistent_are_listed_but_not_saved() =>
        Assert.Equal(["relative_index", "cache"], new Block().NamedBuffers().Select(b => b.Name));

    [Fact]
    public void Inherited_members_come_first_and_lists_are_numbered()
    {
        var module = new Derived<Linear>(new Linear(3, 1));
        var names = module.StateDict().Keys.ToArray();
        Assert.Equal(["stem.weight", "stem.bias", "head.weight", "head.bias", "blocks.0.layer_scale"], names[..5]);
        Assert.Equal("blocks.1.tail.weight", names[^1]);
        Assert.Equal(["", "stem", "head", "blocks", "blocks.0", "blocks.0.fc1"], module.NamedModules().Select(m => m.Name).Take(6));
        Assert.Equal(2, module.Depth);
    }

    [Fact]
    public void The_state_dict_holds_the_tensors_themselves()
    {
        var linear = new Linear(2, 2);
        Assert.Same(linear.Weight, linear.StateDict()["weight"]);
        Assert.Equal(["weight"], new Linear(2, 2, bias: false).StateDict().Keys);
        Assert.Equal(6, linear.ParameterCount);
    }

    [Fact]
    public void Sequential_with_and_without_names()
    {
        using var scope = Torch.Scope();
        var plain = new Sequential([new Linear(2, 3), new Relu(), new Linear(3, 1)]);
        Assert.Equal(["0.weight", "0.bias", "2.weight", "2.bias"], plain.StateDict().Keys);
        Assert.Equal(["conv.weight", "conv.bias"], new Sequential([("conv", (Layer)new Linear(2, 3))]).StateDict().Keys);
        var x = Torch.Ones([4, 2]);
        Near.Equal(plain[2].Call(plain[0].Call(x).Relu()).Detach(), plain.Call(x).Detach(), 1e-6);
        Assert.Equal(3, plain.Count);
    }

    [Fact]
    public void Loading_copies_and_converts()
    {
        var (source, target) = (new Linear(2, 3), new Linear(2, 3));
        source.To(dtype: DType.Float64);
        var report = target.LoadStateDict(source.StateDict());
        Assert.True(report.Complete);
        Assert.Equal(DType.Float32, target.Weight.DType);
        Near.Equal(source.Weight, target.Weight, 1e-7);
        Assert.NotEqual(source.Weight.StorageAddress, target.Weight.StorageAddress);
    }

    [Theory]
    [InlineData(DType.Float32)]
    [InlineData(DType.Float16)]
    public void Values_of_a_file_are_copied_and_converted_into_the_tensors_that_are_there(DType inFile)
    {
        using var scope = Torch.Scope();
        using var folder = new TempFolder();
        var (source, target) = (new Linear(2, 3), new Linear(2, 3));
        source.To(dtype: inFile);
        Checkpoint.SaveSafetensors(folder["weights.safetensors"], source.StateDict().ToCheckpoint());
        var place = target.Weight.StorageAddress;
        using (var file = Checkpoint.Open(folder["weights.safetensors"]))
        {
            Assert.True(target.LoadStateDict(file.StateDict()).Complete);
            var error = Assert.Throws<StateDictException>(() => new Linear(3, 3).LoadStateDict(file.StateDict()));
            Assert.Contains("weight ([3, 3] here, [3, 2] given)", error.Message, StringComparison.Ordinal);
        }
        Assert.Equal((DType.Float32, place), (target.Weight.DType, target.Weight.StorageAddress));
        Near.Identical(source.Weight.To(DType.Float32), target.Weight);
        Near.Identical(source.Bias!.To(DType.Float32), target.Bias!);
    }

    [Fact]
    public void All_mismatches_are_reported_at_once_and_nothing_is_changed()
    {
        using var scope = Torch.Scope();
        var module = new Sequential([new Linear(2, 3), new Linear(3, 1), new Linear(1, 1)]);
        var before = module.StateDict().Values.Select(t => t.Clone()).ToArray();
        var state = new Dictionary<string, Tensor>
        {
            ["0.weight"] = Torch.Zeros([3, 2]),
            ["0.bias"] = Torch.Zeros([4]),
            ["1.weight"] = Torch.Zeros([2, 3]),
            ["1.bias"] = Torch.Zeros([1]),
            ["2.weight"] = Torch.Zeros([1, 1]),
            ["extra"] = Torch.Zeros([1]),
        };
        var error = Assert.Throws<StateDictException>(() => module.LoadStateDict(state));
        Assert.Equal(["2.bias"], error.Report.Missing);
        Assert.Equal(["extra"], error.Report.Unexpected);
        Assert.Equal(["0.bias", "1.weight"], error.Report.Mismatched.Select(m => m.Name));
        foreach (var part in new[] { "2.bias", "extra", "0.bias ([3] here, [4] given)", "1.weight ([1, 3] here, [2, 3] given)" })
            Assert.Contains(part, error.Message, StringComparison.Ordinal);
        foreach (var (old, now) in before.Zip(module.StateDict().Values))
            Near.Identical(old, now);
        Assert.Throws<StateDictException>(() => module.LoadStateDict(state, strict: false));
    }

    [Fact]
    public void Without_strictness_what_fits_is_loaded()
    {
        var linear = new Linear(2, 1);
        var report = linear.LoadStateDict(
            new Dictionary<string, Tensor> { ["weight"] = Tensor.From([5f, 6f], 1, 2), ["other"] = Torch.Zeros(1) },
            strict: false
        );
        Assert.Equal(["bias"], report.Missing);
        Assert.Equal(["other"], report.Unexpected);
        Near.Values(linear.Weight, 0, 5, 6);
    }

    [Fact]
    public void Training_and_evaluation_reach_all_modules()
    {
        var module = new Derived<Dropout>(new Dropout(0.5));
        module.Eval();
        Assert.All(module.NamedModules(), m => Assert.False(m.Module.Training));
        module.Train();
        Assert.All(module.NamedModules(), m => Assert.True(m.Module.Training));
    }

    [Fact]
    public void Conversion_keeps_identity_integers_and_what_is_learned()
    {
        var module = new Block();
        var parameters = module.Parameters().ToArray();
        parameters[0].RequiresGrad = false;
        module.To(dtype: DType.Float64);
        Assert.Equal(parameters, module.Parameters());
        Assert.All(parameters, p => Assert.Equal(DType.Float64, p.DType));
        Assert.Equal(DType.Int64, module.StateDict()["relative_index"].DType);
        Assert.False(parameters[0].RequiresGrad);
        Assert.All(parameters.Skip(1), p => Assert.True(p.RequiresGrad && p.IsLeaf));
        Assert.Equal(new Shape(3, 2), module.Call(Torch.Ones([3, 2], DType.Float64)).Shape);
    }

    [Fact]
    public void A_conversion_that_changes_nothing_keeps_gradients()
    {
        var linear = new Linear(2, 2);
        linear.Call(Torch.Ones([1, 2])).Sum().Backward();
        linear.To(Device.Cpu, DType.Float32);
        Assert.NotNull(linear.Weight.Grad);
        linear.To(dtype: DType.Float64);
        Assert.Null(linear.Weight.Grad);
    }

    [Fact]
    public void Shared_parameters_are_one_tensor_under_two_names()
    {
        var module = new Tied();
        Assert.Equal(["decoder", "encoder.weight"], module.StateDict().Keys);
        Assert.Equal(["decoder"], module.NamedParameters().Select(p => p.Name));
        Assert.Equal(9, module.ParameterCount);

        module.To(dtype: DType.Float64);
        Assert.Same(module.First, module.Second);
        module.LoadStateDict(new Tied().StateDict());
        Assert.Same(module.First, module.Second);
        module.To(dtype: DType.Float32);
        Assert.Equal(module.StateDict()["decoder"].StorageAddress, module.StateDict()["encoder.weight"].StorageAddress);

        var before = module.First.ToArray<double>();
        var optimizer = new Sgd(ParameterGroup.All(module, 0), 0.1);
        module.Call(Torch.Ones([1, 3])).Sum().Backward();
        var gradient = module.First.Grad!.ToArray<double>();
        optimizer.Step();
        Near.Values(module.Second, 1e-6, [.. before.Zip(gradient, (w, g) => w - 0.1 * g)]);
    }

    [Fact]
    public void Gradients_are_dropped_and_switched_off()
    {
        var linear = new Linear(2, 2);
        linear.Call(Torch.Ones([1, 2])).Sum().Backward();
        linear.ZeroGrad();
        Assert.Null(linear.Weight.Grad);
        linear.RequireGrad(false);
        Assert.False(linear.Call(Torch.Ones([1, 2])).RequiresGrad);
    }

    [Fact]
    public void Making_a_module_leaves_nothing_but_its_tensors()
    {
        var before = Tensor.LiveCount;
        var linear = new Linear(4, 4);
        var norm = new BatchNorm(4);
        Assert.Equal(before + 7, Tensor.LiveCount);
        GC.KeepAlive(linear);
        GC.KeepAlive(norm);
    }
}
