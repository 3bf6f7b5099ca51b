# %%
from torch.utils.data import *
ds=TensorDataset(torch.arange(10.),torch.arange(10))
torch.manual_seed(3)
for b in DataLoader(ds,batch_size=3,shuffle=True): print(b)
print(torch.rand(1))
for b in DataLoader(ds,batch_size=4,drop_last=True): print(b)
print(len(DataLoader(ds,batch_size=3)), [len(s) for s in random_split(ds,[0.5,0.5])], random_split(ds,[3,7])[0].indices)
print(list(WeightedRandomSampler([0.1,0.9],5)), list(SubsetRandomSampler([4,5,6])), list(RandomSampler(ds,replacement=True,num_samples=5)))
print(list(BatchSampler(SequentialSampler(ds),4,False)))
class It(IterableDataset):
    def __iter__(self): return iter(range(7))
print(list(DataLoader(It(),batch_size=3)))
class D(Dataset):
    def __len__(self): return 5
    def __getitem__(self,i): return {'a':i,'b':[float(i),str(i)]}
print(list(DataLoader(D(),batch_size=2)))
if __name__!='x': print(sum(b[0].sum().item() for b in DataLoader(ds,batch_size=3,num_workers=2)))
try: DataLoader(ds,batch_size=0)
except ValueError as e: print(e)
print(ds[2], (ds+ds)[12], len(ConcatDataset([ds,ds])))
